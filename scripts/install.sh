#!/usr/bin/env bash
# Copies the program that was built, and the libraries of llama.cpp that it loads, below a folder such as /usr/local:
# bin/groupchat and lib/groupchat. The libraries stand there in a variant for each generation of processors.
#
#   scripts/install.sh PROGRAM FOLDER
set -euo pipefail

if [ $# -ne 2 ] || [ ! -x "$1" ]; then
    echo "usage: $0 PROGRAM FOLDER, as in $0 target/release/groupchat /usr/local" >&2
    exit 2
fi
program=$1
folder=$2

install -d "$folder/bin"
install -m 755 "$program" "$folder/bin/groupchat"
# A program that was built without the feature dynamic-backends has llama.cpp in it.
llama=$(ldd "$program" | sed -n 's/.*libllama\.so[^ ]* => \([^ ]*\) .*/\1/p')
if [ -n "$llama" ]; then
    libraries=$(dirname "$llama")
    install -d "$folder/lib/groupchat"
    cp -P "$libraries"/libllama.so* "$libraries"/libggml*.so* "$libraries"/../backends/*.so "$folder/lib/groupchat/"
fi
