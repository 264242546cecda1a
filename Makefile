# `make` builds bin/chrun, `make help` lists the rest. What a target needs and
# this machine lacks is installed with apt-get, through sudo when not root.

export PATH := $(PATH):/usr/local/go/bin
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
GO_BUILD := CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)'
FUZZTIME := 1m

# What the tests may not skip: what `make test` has just provided, and on a CI
# machine everything.
MUST := desktop,chroot
ifdef CI
MUST := userns,root,desktop,chroot,i386
endif

build: ## build bin/chrun
	@scripts/install.sh build
	$(GO_BUILD) -o bin/ ./cmd/...

demo: build ## show it: Firefox, an X11 program and sound from a chroot (CHROOT=DIR: your own)
	@scripts/install.sh demo $(if $(CHROOT),,chroot) $(if $(WAYLAND_DISPLAY)$(DISPLAY),,desktop)
	@chroot="$(CHROOT)"; chroot=$${chroot:-$$(scripts/chroot.sh)} && \
		go run ./scripts/demo -chroot "$$chroot"

demo-clean: ## remove the screenshots, and the chroots that tests and demo have made
	rm -rf demo
	scripts/chroot.sh clean

test: build ## run every test, with real servers and programs in a real chroot
	@scripts/install.sh chroot desktop demo clients
	chroot=$$(scripts/chroot.sh) && chroot32=$$(scripts/chroot.sh i386) && \
		CHRUN_TEST_CHROOT=$$chroot CHRUN_TEST_CHROOT32=$$chroot32 CHRUN_TEST_MUST=$(MUST) \
		go test -p 1 -count 1 -timeout 20m ./...

check: ## what must hold for every commit: format, vet, both architectures, races, fuzz seeds
	@scripts/install.sh build race
	@unformatted=$$(gofmt -l .) && test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	go vet ./...
	GOARCH=amd64 $(GO_BUILD) -o /dev/null ./...
	GOARCH=arm64 $(GO_BUILD) -o /dev/null ./...
	CGO_ENABLED=1 go test -race ./...

fuzz: ## run each fuzz target for FUZZTIME
	@scripts/fuzz.sh $(FUZZTIME)

bench: build ## compare chrun's speed with that of others; the table goes into README.md
	@scripts/install.sh chroot desktop demo clients bench
	chroot=$$(scripts/chroot.sh) && CHRUN_TEST_CHROOT=$$chroot go run ./internal/bench -write README.md

test-kernels: ## boot distribution kernels (6.1, 6.12, arm64) in qemu, run the mount tests there (KERNELS=SUITE/ARCH…)
	@scripts/install.sh build chroot kernels
	scripts/kernels/run.sh $(KERNELS)

PREFIX := /usr/local

install: build ## install both programs, and the AppArmor profile where AppArmor is (PREFIX, DESTDIR)
	install -D -m 0755 bin/chrun $(DESTDIR)$(PREFIX)/bin/chrun
	install -D -m 0755 bin/chrunctl $(DESTDIR)$(PREFIX)/bin/chrunctl
	@if [ -d /etc/apparmor.d/abi ] || [ -n "$(DESTDIR)" ]; then \
		install -d $(DESTDIR)/etc/apparmor.d && \
		sed 's|@PREFIX@|$(PREFIX)|' etc/apparmor >$(DESTDIR)/etc/apparmor.d/chrun && \
		{ [ -n "$(DESTDIR)" ] || apparmor_parser -r /etc/apparmor.d/chrun || true; }; \
	fi

uninstall: ## take both away; configuration and homes stay
	rm -f $(DESTDIR)$(PREFIX)/bin/chrun $(DESTDIR)$(PREFIX)/bin/chrunctl $(DESTDIR)/etc/apparmor.d/chrun
	@echo "what stays: /etc/chrun, ~/.config/chrun (configuration), ~/.local/share/chrun (homes)"

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16

.DEFAULT_GOAL := build
.PHONY: build demo demo-clean test check fuzz bench test-kernels install uninstall help
