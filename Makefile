# Each target sets up what it needs by itself (scripts/setup) and needs nothing but a Rust toolchain,
# git, and root or sudo on Debian or Ubuntu. Every target is a script too, where there is no make yet.

.PHONY: help demo demo-kernel build test test-kernel lint check-deny bench clean-setup

help:
	@echo "make demo        a whole world in a temporary folder: a push becomes a published artifact"
	@echo "make build       the program, at target/release/autobuilder"
	@echo "make test        formatting, lints, licences, every test, and a look for leftovers"
	@echo "make test-kernel a real kernel: a full build, then one on the image that left, both booted (minutes)"
	@echo "make demo-kernel the same, to look at"
	@echo "make bench       the measured promises of docs/design.md, as tables and JSON"
	@echo "make lint        formatting and lints alone"
	@echo "make check-deny  licences, bans and sources of the dependencies"
	@echo "make clean-setup removes the images and archives that set-up made"

demo:
	@scripts/demo

build:
	@scripts/setup build
	cargo build --release

test:
	@scripts/test

test-kernel:
	@scripts/test-kernel

demo-kernel:
	@scripts/demo-kernel

lint:
	@scripts/setup build
	@scripts/lint

check-deny:
	@scripts/setup build
	@scripts/deny

bench:
	@scripts/bench

clean-setup:
	@scripts/clean-setup
