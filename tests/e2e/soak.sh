#!/bin/sh
# soak.sh: the first part of stress.sh for SHUNT_SOAK_SECONDS (1800) and 100 connections.
. "$(dirname "$0")/../lib.sh"
. "$top/tests/e2e/stress/story.sh"

prepare 10 0
chaos "${SHUNT_SOAK_SECONDS:-1800}" 100
finish
