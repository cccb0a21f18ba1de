#!/usr/bin/env bash
# Installs what groupchat needs and this machine lacks, and says what and why before it does. Where nothing is missing it
# does nothing and says nothing. What is needed is looked for itself, as a command or a file, not by a package's name.
#
#   scripts/setup.sh demo    for building and running
#   scripts/setup.sh test    for the tests, too
#
# This is written for bash 3.2, which macOS has.
set -euo pipefail

purpose=${1:-}
case $purpose in
    demo | test) ;;
    *) echo "usage: $0 demo|test" >&2; exit 2 ;;
esac

fail() {
    echo "setup: $*" >&2
    exit 1
}

has() {
    command -v "$1" >/dev/null 2>&1
}

has_any() {
    local program
    for program in "$@"; do
        if has "$program"; then return 0; fi
    done
    return 1
}

# Whether one of the files exists. A pattern that matched nothing arrives as it was written, and no file is called so.
any_file() {
    local file
    for file in "$@"; do
        if [ -e "$file" ]; then return 0; fi
    done
    return 1
}

# The places where the crate clang-sys looks. libclang-cpp is another library.
has_libclang() {
    if [ -n "${LIBCLANG_PATH:-}" ]; then
        any_file "$LIBCLANG_PATH"/libclang.* "$LIBCLANG_PATH"/libclang-[0-9]* && return 0
    fi
    if has llvm-config; then
        any_file "$(llvm-config --libdir)"/libclang.* && return 0
    fi
    any_file \
        /usr/lib*/libclang{.,-[0-9]*.}so* /usr/lib*/*/libclang{.,-[0-9]*.}so* /usr/lib*/*/*/libclang{.,-[0-9]*.}so* \
        /usr/local/lib*/libclang{.,-[0-9]*.}so* /usr/local/llvm*/lib*/libclang{.,-[0-9]*.}so* \
        /usr/local/opt/llvm*/lib/libclang.dylib /opt/homebrew/opt/llvm*/lib/libclang.dylib \
        /Library/Developer/CommandLineTools/usr/lib/libclang.dylib \
        /Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib/libclang.dylib
}

# libclang does not bring the headers that every C file includes first, such as stdbool.h.
has_clang_headers() {
    local headers='clang/*/include/stdbool.h'
    # shellcheck disable=SC2086 # The pattern is meant to be expanded.
    any_file \
        /usr/lib*/$headers /usr/lib*/llvm*/lib*/$headers /usr/lib*/*/$headers /usr/local/lib*/$headers \
        /usr/local/llvm*/lib*/$headers /usr/local/opt/llvm*/lib/$headers /opt/homebrew/opt/llvm*/lib/$headers \
        /Library/Developer/CommandLineTools/usr/lib/$headers \
        /Applications/Xcode.app/Contents/Developer/Toolchains/XcodeDefault.xctoolchain/usr/lib/$headers
}

# The places where groupchat looks for the server's programs.
has_postgresql() {
    if has initdb && has postgres; then return 0; fi
    any_file \
        /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb \
        /opt/homebrew/opt/postgresql*/bin/initdb /usr/local/opt/postgresql*/bin/initdb
}

has_browser() {
    has_any chromium chromium-browser google-chrome google-chrome-stable \
        || any_file "/Applications/Google Chrome.app" /Applications/Chromium.app
}

has_pip() {
    python3 -m pip --version >/dev/null 2>&1
}

missing=''
reasons=''

# need NAME WHY CHECK..: notes what is missing.
need() {
    local name=$1 why=$2
    shift 2
    if "$@"; then return 0; fi
    missing="$missing $name"
    reasons="$reasons  $name: $why
"
}

look() {
    missing=''
    reasons=''
    need cmake 'configures the build of llama.cpp, which runs the models' has cmake
    need make 'runs the build of llama.cpp' has make
    need compiler 'a C++ compiler for llama.cpp' has_any c++ g++ clang++
    need libclang "reads llama.cpp's headers for its Rust interface" has_libclang
    need clang-headers 'the headers that libclang needs to read others' has_clang_headers
    need postgresql 'keeps the history; groupchat runs a private server of its own' has_postgresql
    if [ "$purpose" = test ]; then
        need nodejs 'checks the types of the web page and drives its test' has node
        need npm 'installs what that test and others are written with' has npm
        need chromium 'the browser in which the web page is tested' has_browser
        need python3 "runs OpenAI's client, which asks the model runner in its test" has python3
        need pip 'installs that client' has_pip
    fi
}

package_manager() {
    if [ "$(uname -s)" = Darwin ]; then
        if has brew; then echo brew; fi
    elif has apt-get; then
        echo apt
    elif has dnf; then
        echo dnf
    elif has pacman; then
        echo pacman
    elif has brew; then
        echo brew
    fi
}

# The package that brings what is missing.
package() {
    case $1:$2 in
        apt:compiler) echo g++ ;;
        apt:pip | dnf:pip) echo python3-pip ;;
        pacman:python3) echo python ;;
        pacman:pip) echo python-pip ;;
        brew:python3 | brew:pip) echo python ;;
        apt:libclang | apt:clang-headers) echo libclang-dev ;;
        # Ubuntu's package of the other name is empty and points to this one.
        apt:chromium) if grep -qi '^ID=ubuntu' /etc/os-release; then echo chromium-browser; else echo chromium; fi ;;
        dnf:compiler) echo gcc-c++ ;;
        dnf:libclang | dnf:clang-headers) echo clang-devel ;;
        dnf:postgresql) echo postgresql-server ;;
        pacman:compiler) echo gcc ;;
        pacman:libclang | pacman:clang-headers) echo clang ;;
        brew:compiler | brew:libclang | brew:clang-headers) echo llvm ;;
        brew:postgresql) echo postgresql@17 ;;
        brew:nodejs | brew:npm) echo node ;;
        brew:chromium) echo google-chrome ;;
        *) echo "$2" ;;
    esac
}

packages() {
    local manager=$1 name
    shift
    for name in "$@"; do package "$manager" "$name"; done | sort -u | tr '\n' ' '
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif has sudo; then
        sudo "$@"
    else
        fail "this must be run by root, or sudo must be installed: $*"
    fi
}

# Debian starts a server of its own as soon as PostgreSQL is installed. Groupchat wants the programs, not that server, so
# for as long as this script runs a file tells Debian to create none. A cluster that exists is left alone.
no_cluster=/etc/postgresql-common/createcluster.d/groupchat-setup.conf

apt_install() {
    as_root apt-get update -q
    as_root mkdir -p "${no_cluster%/*}"
    trap 'as_root rm -f "$no_cluster"' EXIT
    echo 'create_main_cluster = false' | as_root tee "$no_cluster" >/dev/null
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

install_with() {
    local manager=$1
    shift
    case $manager in
        apt) apt_install "$@" ;;
        dnf) as_root dnf install -y "$@" ;;
        pacman) as_root pacman -S --needed --noconfirm "$@" ;;
        brew) brew install "$@" ;;
    esac
}

install_missing() {
    local manager wanted
    printf 'groupchat needs what is not on this machine yet:\n%s' "$reasons"
    manager=$(package_manager)
    if [ -z "$manager" ]; then
        fail "there is no apt, dnf, pacman or brew here. Please install these yourself and try again:$missing"
    fi
    # shellcheck disable=SC2086 # Neither a name nor a package has a space in it.
    wanted=$(packages "$manager" $missing)
    printf 'Installing with %s: %s\n' "$manager" "$wanted"
    # shellcheck disable=SC2086
    install_with "$manager" $wanted || fail "$manager could not install these: $wanted"
    look
    if [ -n "$missing" ]; then
        fail "$manager installed them, and still these cannot be found:$missing"
    fi
}

clients=$(dirname "$0")/../model-runner/tests/clients
telegram_test_api=$(dirname "$0")/../bot/tests/telegram/test_api

# OpenAI's client for Python goes into a folder of its own. That takes neither a virtual environment, for which Debian wants
# another package, nor a Python that lets pip change it. Wheels are for one version of Python, so another one wants others.
install_python_client() {
    local folder=$clients/python_modules wanted
    wanted=$(python3 --version; cat "$clients/requirements.txt")
    if [ -f "$folder/.installed" ] && [ "$(cat "$folder/.installed")" = "$wanted" ]; then return 0; fi
    echo "Installing OpenAI's client for Python into $folder, for the test of the model runner"
    rm -rf "$folder"
    python3 -m pip install -q --disable-pip-version-check --only-binary :all: --no-deps --root-user-action ignore \
        --target "$folder" -r "$clients/requirements.txt" || return 1
    echo "$wanted" >"$folder/.installed"
}

# install_node_packages FOLDER WHAT: what the folder's lock file names, once.
install_node_packages() {
    local folder=$1 what=$2 installed=$1/node_modules/.package-lock.json
    if [ "$installed" -nt "$folder/package-lock.json" ]; then return 0; fi
    echo "Installing $what into $folder/node_modules"
    npm ci --no-audit --no-fund --prefix "$folder" && touch "$installed"
}

install_node_client() {
    install_node_packages "$clients" "OpenAI's client for Node, for the test of the model runner,"
}

install_telegram_test_api() {
    install_node_packages "$telegram_test_api" "a Bot API server, for a test of the bot,"
}

has cargo || fail "Rust is not installed. Install it from https://rustup.rs, open a new terminal and try again."

look
if [ -n "$missing" ]; then install_missing; fi

# Without a network there are other tests to be run.
if [ "$purpose" = test ]; then
    install_python_client || echo "setup: OpenAI's client for Python could not be installed; its test will say that it skips" >&2
    install_node_client || echo "setup: OpenAI's client for Node could not be installed; its test will say that it skips" >&2
    install_telegram_test_api || echo "setup: telegram-test-api could not be installed; its test will say that it skips" >&2
fi
