# `make` builds bin/, `make help` lists the other targets. If this machine lacks
# something that a target needs, it is installed with apt-get (through sudo if the
# caller is not root).

export PATH := $(PATH):/usr/local/go/bin
# Go 1.21 or newer fetches the version that go.mod asks for. A packager without
# a network sets GOTOOLCHAIN=local.
export GOTOOLCHAIN ?= auto
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null)
LDFLAGS  := -s -w $(if $(VERSION),-X chrun/internal/cli.linkedVersion=$(VERSION))
# chrun begins in package session/start, which makes its start faster.
GO_BUILD := CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' \
	-ldflags 'chrun/cmd/chrun=$(LDFLAGS) -E chrun/session/start.entry'
FUZZTIME := 1m
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# Needs for which tests fail instead of being skipped: those that `make test` has
# just installed, and in CI all of them.
MUST := desktop,chroot
ifdef CI
MUST := userns,root,desktop,chroot,i386
endif

SOURCES  := go.mod go.sum $(shell find audio cmd desktop display internal session \( -name '*.go' -o -name '*.s' \) ! -name '*_test.go')

build: ## build bin/chrun, bin/chrunctl and chrunctl's completion scripts
	@scripts/install.sh build
	$(GO_BUILD) -o bin/ ./cmd/...
	@bin/chrunctl completion bash >bin/chrunctl.bash
	@bin/chrunctl completion zsh >bin/chrunctl.zsh
	@bin/chrunctl completion fish >bin/chrunctl.fish

# This does not depend on build, because `sudo make install` must not need Go if
# everything is built.
bin/chrunctl.fish: $(SOURCES)
	@$(MAKE) build

demo: build ## show Firefox, an X11 program and sound from a chroot (CHROOT=DIR for your own chroot)
	@scripts/install.sh demo $(if $(CHROOT),,chroot) $(if $(WAYLAND_DISPLAY)$(DISPLAY),,desktop)
	@chroot="$(CHROOT)"; chroot=$${chroot:-$$(scripts/chroot.sh)} && \
		go run ./scripts/demo -chroot "$$chroot"

demo-clean: ## remove the screenshots and the chroots made for tests and the demo
	rm -rf demo
	scripts/chroot.sh clean

test: build ## run every test, with real servers and programs in a real chroot
	@scripts/install.sh chroot desktop demo clients
	chroot=$$(scripts/chroot.sh) && chroot32=$$(scripts/chroot.sh i386) && \
		CHRUN_TEST_CHROOT=$$chroot CHRUN_TEST_CHROOT32=$$chroot32 CHRUN_TEST_MUST=$(MUST) \
		go test -p 1 -count 1 -timeout 60m ./...

check: ## check the format, vet, staticcheck, the module's rules, both architectures
	@scripts/install.sh build
	@unformatted=$$(gofmt -l .) && test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	go test .
	GOARCH=amd64 $(GO_BUILD) -o /dev/null ./...
	GOARCH=arm64 $(GO_BUILD) -o /dev/null ./...

# Packages that start goroutines, and those that run them.
RACE := ./cmd/chrun ./desktop/bridge/... ./desktop/export ./desktop/dbus/... ./desktop/menu/... ./display/x11/... \
	./internal/grants ./internal/headless ./session/grant ./session/launch ./session/relay

race: ## run the race detector over the packages with goroutines
	@scripts/install.sh build race
	CGO_ENABLED=1 go test -race $(RACE)

cover: ## print the test coverage of each package, without the processes that tests start
	@scripts/install.sh build
	go test -cover ./...

fuzz: ## run each fuzz target for FUZZTIME
	@scripts/fuzz.sh $(FUZZTIME)

# Continuous integration lets every twentieth call fail.
FAULTS := $(if $(CI),-every 20)

faults: build ## let each system call of a launch fail once, as root (FAULTS="-only match,grant")
	@scripts/install.sh desktop clients
	CGO_ENABLED=0 go run ./scripts/faults $(FAULTS)

bench: build ## compare chrun's speed with other tools, write the tables into docs/benchmarks.md
	@scripts/install.sh chroot desktop demo clients bench
	chroot=$$(scripts/chroot.sh) && CHRUN_TEST_CHROOT=$$chroot go run ./internal/bench -write docs/benchmarks.md

test-kernels: ## boot distribution kernels (6.1, 6.12, arm64) in qemu, run the mount tests there (KERNELS=SUITE/ARCH…)
	@scripts/install.sh build chroot kernels
	scripts/kernels/run.sh $(KERNELS)

PREFIX := /usr/local

# Files to install: PATH BELOW PREFIX=FILE HERE.
FILES := bin/chrun=bin/chrun bin/chrunctl=bin/chrunctl \
	share/man/man1/chrun.1=dist/man/chrun.1 share/man/man1/chrunctl.1=dist/man/chrunctl.1 \
	share/man/man5/chrun.toml.5=dist/man/chrun.toml.5 \
	share/bash-completion/completions/chrun=dist/completions/chrun.bash \
	share/bash-completion/completions/chrunctl=bin/chrunctl.bash \
	share/zsh/site-functions/_chrun=dist/completions/chrun.zsh \
	share/zsh/site-functions/_chrunctl=bin/chrunctl.zsh \
	share/fish/vendor_completions.d/chrun.fish=dist/completions/chrun.fish \
	share/fish/vendor_completions.d/chrunctl.fish=bin/chrunctl.fish

# fish searches /usr/local only if XDG_DATA_DIRS names it, which it does not on a
# console.
FISH := /etc/fish/completions

install: bin/chrunctl.fish ## install programs, man pages, completion, and the AppArmor profile if AppArmor supports it (PREFIX, DESTDIR)
	@for file in $(FILES); do \
		mode=0644; case $$file in bin/*) mode=0755; esac; \
		to="$(DESTDIR)$(PREFIX)/$${file%=*}"; echo "$$to"; \
		install -D -m $$mode $${file#*=} "$$to" || exit; \
	done
	@[ -n "$(DESTDIR)" ] || [ "$(PREFIX)" != /usr/local ] || [ ! -d /etc/fish ] || \
		for name in chrun chrunctl; do \
			echo $(FISH)/$$name.fish; \
			install -D -m 0644 $(PREFIX)/share/fish/vendor_completions.d/$$name.fish $(FISH)/$$name.fish || exit; \
		done
	@[ ! -e /etc/apparmor.d/abi/4.0 ] && [ -z "$(DESTDIR)" ] || { \
		to="$(DESTDIR)/etc/apparmor.d/chrun"; echo "$$to"; \
		install -D -m 0644 dist/apparmor "$$to" && sed -i 's|@PREFIX@|$(PREFIX)|' "$$to" && \
		{ [ -n "$(DESTDIR)" ] || apparmor_parser -r "$$to" || true; }; \
	}

uninstall: ## remove the installed files, print what stays
	@for file in $(FILES); do rm -fv "$(DESTDIR)$(PREFIX)/$${file%=*}"; done
	@[ -n "$(DESTDIR)" ] || [ "$(PREFIX)" != /usr/local ] || rm -fv $(FISH)/chrun.fish $(FISH)/chrunctl.fish
	@profile="$(DESTDIR)/etc/apparmor.d/chrun"; [ ! -e "$$profile" ] || { \
		[ -n "$(DESTDIR)" ] || apparmor_parser -R "$$profile" || true; rm -fv "$$profile"; }
	@echo "These files stay. To remove them:"
	@echo "  configuration for all users    sudo rm -r /etc/chrun"
	@echo "  your configuration             rm -r ~/.config/chrun"
	@echo "  exported menu entries          are hidden now; ~/.local/state/chrun/exports lists their files"
	@echo "  records of exports and homes   rm -r ~/.local/state/chrun"
	@echo "  THE HOMES OF YOUR CHROOTS      rm -r ~/.local/share/chrun"
	@echo "The chroots themselves are unchanged."

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

.DEFAULT_GOAL := build
.PHONY: build demo demo-clean test check race cover fuzz faults bench test-kernels install uninstall help
