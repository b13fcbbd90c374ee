#!/usr/bin/env bash
# The C library as a C program meets it: plain, under valgrind, and with AddressSanitizer and UndefinedBehaviorSanitizer on both sides of the wall.
# Ends in one line: N passed, N failed, N skipped.
set -uo pipefail
cd "$(dirname "$0")/../.."

root=$PWD
work=$root/target/test-c
python=$root/.venv-test/bin/python
host=$(rustc -vV | sed -n 's/^host: //p')
asan=$root/target-asan/$host/debug
results=$work/results
mkdir -p "$work"
# Two runs at once would build over each other.
exec 9>"$work/lock"
flock 9
: >"$results"

cflags=(-std=c11 -g -O1 -Wall -Wextra -Wpedantic -Werror -Iinclude)
sources=(tests/c/*.c)
system=(-lm -lpthread -ldl)

# Runs a command as one test, by name.
try() {
    local name=$1
    shift
    echo "--- $name"
    if "$@"; then echo "ok $name" | tee -a "$results"; else echo "FAIL $name" | tee -a "$results"; fi
}

# Lets the driver run a program; its results are tests of their own.
drive() {
    echo "--- $1"
    timeout --kill-after=10 900 "$python" tests/c/drive.py "$@" | tee "$work/$1.log"
    grep -E '^(ok|FAIL) ' "$work/$1.log" >>"$results"
    # A program that ran nothing proves nothing.
    grep -q '^ok ' "$work/$1.log" || echo "FAIL $1: no case ran" | tee -a "$results"
}

every_symbol_is_tried() {
    LD_LIBRARY_PATH=target/debug "$work/plain" --covered | sort -u | diff -u bindings/c/symbols.txt -
}

# Without -q: a grep that ends early ends nm with a signal, and that would be the pipe's verdict.
has_symbol() {
    nm -D "$1" | grep -E "$2" >/dev/null
}

has_asan() {
    has_symbol "$asan/libpartnersam_c.so" ' U __asan_init$' && has_symbol "$work/asan" ' __asan_init(@|$)'
}

# A sanitizer that finds nothing proves nothing: it must find what is planted.
asan_finds_a_planted_error() {
    printf '%s\n' '#include <stdlib.h>' 'int main(int n, char **a) { char *p = malloc(8); free(p); return p[n] + (a == 0); }' >"$work/planted.c"
    gcc -g -fsanitize=address -Wno-use-after-free -o "$work/planted" "$work/planted.c" && ! "$work/planted" 2>"$work/planted.err" && grep -q heap-use-after-free "$work/planted.err"
}

ships_no_test_hook() {
    has_symbol "$asan/libpartnersam_c.so" ' T psam_test_panic$' && ! has_symbol target/debug/libpartnersam_c.so psam_test_ && ! grep psam_test_ bindings/c/symbols.txt include/partnersam.h
}

# Its threads may outlive a dlclose().
stays_loaded() {
    readelf -d target/debug/libpartnersam_c.so | grep NODELETE >/dev/null
}

build_asan() {
    RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=target-asan \
        cargo build -q -p partnersam-c --features partnersam-c/test-hooks --target "$host"
}

try "c: the library is built" cargo build -q -p partnersam-c -p partnersam-emulator
try "c: the header and the symbols are what the sources make" cargo run -q -p xtask -- gen --check --library target/debug/libpartnersam_c.so
try "c: the header is C++, too" g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -Iinclude -fsyntax-only tests/c/header.cpp
try "c: the library stays in memory when it is closed" stays_loaded
try "c: the test program is built" gcc "${cflags[@]}" -DPSAM_TEST_WIPING -o "$work/plain" "${sources[@]}" -Ltarget/debug -lpartnersam_c "${system[@]}"
try "c: the example is built" gcc "${cflags[@]}" -o "$work/hello" bindings/c/examples/hello.c -Ltarget/debug -lpartnersam_c
try "c: every function that is exported is tried with wrong arguments" every_symbol_is_tried
drive plain --library-path target/debug --example "$work/hello" -- "$work/plain"

try "c: the static library links" gcc "${cflags[@]}" -o "$work/static" "${sources[@]}" target/debug/libpartnersam_c.a "${system[@]}" -lgcc_s
drive static -- "$work/static" arguments

if command -v valgrind >/dev/null; then
    try "c: the test program for valgrind is built" gcc "${cflags[@]}" -o "$work/valgrind" "${sources[@]}" -Ltarget/debug -lpartnersam_c "${system[@]}"
    drive valgrind --library-path target/debug -- valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite \
        --errors-for-leak-kinds=definite --suppressions=tests/c/valgrind.supp --fair-sched=yes "$work/valgrind"
else
    echo "SKIP valgrind: valgrind is not installed" | tee -a "$results"
fi

try "c: the library is built with AddressSanitizer" build_asan
try "c: the test program is built with AddressSanitizer" gcc "${cflags[@]}" -DPSAM_TEST_HOOKS -fsanitize=address,undefined -fno-sanitize-recover=all \
    -fno-omit-frame-pointer -o "$work/asan" "${sources[@]}" -L"$asan" -lpartnersam_c "${system[@]}"
try "c: AddressSanitizer is in both" has_asan
try "c: no test hook is shipped" ships_no_test_hook
try "c: AddressSanitizer finds a planted error" asan_finds_a_planted_error
ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1 drive asan --library-path "$asan" -- "$work/asan"

passed=$(grep -c '^ok ' "$results")
failed=$(grep -c '^FAIL ' "$results")
skipped=$(grep -c '^SKIP ' "$results")
grep '^FAIL ' "$results"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
