package desktop

import (
	"path"
	"strings"

	"chrun/session"
)

// droppedVariable is a variable that does not pass into a chroot. A pattern with a
// trailing * matches several variables.
type droppedVariable struct{ Pattern, Why string }

// droppedVariables lists the variables that do not pass into a chroot. All others
// pass, so that a program behaves as on the host; this includes the settings of
// toolkits (MOZ_*, GDK_BACKEND, GDK_SCALE, QT_QPA_PLATFORM, QT_SCALE_FACTOR,
// SDL_*, XCURSOR_THEME …). The variables of features are in their Variables.
// Sources: the list of Flatpak (flatpak-run.c), and observed failures.
var droppedVariables = []droppedVariable{
	{"LD_LIBRARY_PATH", libraries}, {"LD_PRELOAD", libraries}, {"LD_AUDIT", libraries},
	{"GCONV_PATH", libraries}, {"NLSPATH", files}, {"LADSPA_PATH", libraries}, {"LV2_PATH", libraries},
	{"DSSI_PATH", libraries}, {"VST_PATH", libraries}, {"VST3_PATH", libraries}, {"CLAP_PATH", libraries},
	{"LIBGL_DRIVERS_PATH", libraries}, {"LIBVA_DRIVERS_PATH", libraries}, {"VDPAU_DRIVER_PATH", libraries},
	{"GBM_BACKENDS_PATH", libraries}, {"VK_*", libraries}, {"__EGL_*", libraries},
	{"OCL_ICD_VENDORS", libraries}, {"OPENCL_VENDOR_PATH", libraries}, {"SDL_DYNAMIC_API", libraries},
	{"ALSA_PLUGIN_DIR", libraries}, {"ALSA_CONFIG_DIR", files}, {"ALSA_CONFIG_UCM*", files},
	{"PIPEWIRE_MODULE_DIR", libraries}, {"PIPEWIRE_CONFIG_DIR", files}, {"SPA_PLUGIN_DIR", libraries}, {"SPA_DATA_DIR", files},

	{"GTK_PATH", libraries}, {"GTK_EXE_PREFIX", libraries}, {"GTK_DATA_PREFIX", files}, {"GTK_MODULES", libraries},
	{"GTK3_MODULES", libraries}, {"GTK_IM_MODULE_FILE", libraries}, {"GTK_RC_FILES", files}, {"GTK2_RC_FILES", files},
	{"GDK_PIXBUF_*", libraries}, {"GIO_EXTRA_MODULES", libraries}, {"GIO_MODULE_DIR", libraries},
	{"GI_TYPELIB_PATH", libraries}, {"GSETTINGS_SCHEMA_DIR", files}, {"GST_PLUGIN*", libraries},
	{"GST_REGISTRY*", libraries}, {"GST_PRESET_PATH", files}, {"GST_PTP_HELPER*", libraries},
	{"QT_PLUGIN_PATH", libraries}, {"QT_QPA_PLATFORM_PLUGIN_PATH", libraries}, {"QT_QPA_FONTDIR", files},
	{"QML_IMPORT_PATH", libraries}, {"QML2_IMPORT_PATH", libraries}, {"QTWEBENGINEPROCESS_PATH", libraries},
	{"XCURSOR_PATH", files}, {"XKB_CONFIG_ROOT", files}, {"XLOCALEDIR", files},
	{"FONTCONFIG_FILE", files}, {"FONTCONFIG_PATH", files}, {"FONTCONFIG_SYSROOT", files},

	{"PYTHONHOME", modules}, {"PYTHONPATH", modules}, {"PYTHONSTARTUP", modules}, {"PYTHONUSERBASE", modules},
	{"PYTHONPYCACHEPREFIX", modules}, {"PERLLIB", modules}, {"PERL5LIB", modules}, {"PERL5OPT", modules},
	{"PERL5DB", modules}, {"RUBYLIB", modules}, {"RUBYOPT", modules}, {"GEM_HOME", modules}, {"GEM_PATH", modules},
	{"NODE_PATH", modules}, {"LUA_PATH*", modules}, {"LUA_CPATH*", modules}, {"TCLLIBPATH", modules},
	{"JAVA_HOME", modules}, {"JRE_HOME", modules}, {"JDK_HOME", modules}, {"CLASSPATH", modules}, {"GOROOT", modules},
	{"GUILE_LOAD_*", modules}, {"NIX_*", modules}, {"GUIX_*", modules},

	{"ENV", shell}, {"BASH_ENV", shell}, {"BASH_FUNC_*", shell}, {"LESSOPEN", shell}, {"LESSCLOSE", shell},
	{"MANPATH", files}, {"INFOPATH", files}, {"TERMINFO", files}, {"TERMINFO_DIRS", files}, {"TERMCAP", files},
	{"SSL_CERT_FILE", files}, {"SSL_CERT_DIR", files}, {"REQUESTS_CA_BUNDLE", files}, {"CURL_CA_BUNDLE", files},
	{"NODE_EXTRA_CA_CERTS", files}, {"GIT_SSL_CAINFO", files}, {"GIT_EXEC_PATH", modules}, {"OPENSSL_CONF", files},
	{"OPENSSL_MODULES", libraries}, {"KRB5_CONFIG", files}, {"KRB5_KTNAME", files}, {"XDG_DATA_DIRS", files}, {"XDG_CONFIG_DIRS", files},
	{"TMP", temporary}, {"TEMP", temporary}, {"TMPDIR", temporary}, {"TEMPDIR", temporary},

	{"INVOCATION_ID", unit}, {"JOURNAL_STREAM", unit}, {"LOG_NAMESPACE", unit}, {"SYSTEMD_EXEC_PID", unit},
	{"MANAGERPID*", unit}, {"MAINPID", unit}, {"NOTIFY_SOCKET", unit}, {"WATCHDOG_*", unit}, {"LISTEN_FDS", unit},
	{"LISTEN_PID", unit}, {"LISTEN_FDNAMES", unit},
	{"MEMORY_PRESSURE_*", unit}, {"CREDENTIALS_DIRECTORY", unit}, {"RUNTIME_DIRECTORY", unit}, {"STATE_DIRECTORY", unit},
	{"CACHE_DIRECTORY", unit}, {"LOGS_DIRECTORY", unit}, {"CONFIGURATION_DIRECTORY", unit},

	{"SSH_ASKPASS", programs}, {"SUDO_ASKPASS", programs}, {"GIT_ASKPASS", programs},

	{"SESSION_MANAGER", login}, {"ICEAUTHORITY", login}, {"DESKTOP_AUTOSTART_ID", login},
	{"container", sandbox}, {"container_uuid", sandbox}, {"FLATPAK_*", sandbox}, {"SNAP", sandbox}, {"SNAP_*", sandbox},
	{"SANDBOX_*", sandbox}, {"APPDIR", sandbox}, {"APPIMAGE", sandbox},
}

// Why variables do not pass.
const (
	libraries = "names libraries of the host, which do not fit those of the chroot"
	programs  = "names a program of the host"
	modules   = "names modules of the host's interpreters"
	files     = "names files of the host"
	shell     = "runs scripts or functions of the host"
	temporary = "names a directory that may not exist inside; /tmp does"
	unit      = "describes the systemd unit or the process of chrun"
	login     = "would let the host's session manager restart the program outside of the chroot"
	sandbox   = "indicates another sandbox"
	homeDir   = "names a directory outside of the home"
)

// FixSessionType makes XDG_SESSION_TYPE agree with the displays that are shared:
// Chromium tries only the one that it names. values are all variables inside.
func FixSessionType(values map[string]string) {
	const name = "XDG_SESSION_TYPE"
	wayland := values["WAYLAND_DISPLAY"] != "" || values["WAYLAND_SOCKET"] != ""
	x11 := values["DISPLAY"] != ""
	switch {
	case wayland && !x11:
		values[name] = "wayland"
	case wayland || values[name] != "wayland":
	case x11:
		values[name] = "x11"
	default:
		delete(values, name)
	}
}

// homeDirs are the variables of the XDG Base Directory specification for
// directories in the home. If they are below HOME, they are valid inside too.
var homeDirs = []string{"XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"}

// KeepVariable reports whether a variable of the host passes into a chroot where
// HOME is home, or else why not.
func KeepVariable(name, value string, home session.Path) (ok bool, why string) {
	for _, d := range droppedVariables {
		if name == "" || d.Pattern[0] != name[0] {
			continue // fast path: a launch checks about a hundred variables
		}
		prefix, several := strings.CutSuffix(d.Pattern, "*")
		if name == d.Pattern || several && strings.HasPrefix(name, prefix) {
			return false, d.Why
		}
	}
	for _, dir := range homeDirs {
		if name == dir && !(path.IsAbs(value) && session.Path(path.Clean(value)).IsBelow(home)) {
			return false, homeDir
		}
	}
	return true, ""
}
