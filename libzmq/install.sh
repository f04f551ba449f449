#!/bin/sh
# Lays down libzmq.so.5, libzmq.a, the headers, and the files of pkg-config and CMake, as a distribution would.
#
# Usage: install.sh PREFIX [--libdir DIR] [--includedir DIR] [--from DIR]
#   PREFIX        where all goes: /usr/local, $HOME/.local, ...
#   --libdir      where the libraries go; PREFIX/lib by default
#   --includedir  where the headers go; PREFIX/include by default
#   --from        where libzmq.so and libzmq.a have been built; by default target/release, where they are built now,
#                 unless there is no cargo and they are there
# With DESTDIR set, all is laid down under it, for packages.
set -eu

version=4.3.6
file=libzmq.so.5.2.6

usage() { sed -n '4,11s/^# \{0,1\}//p' "$0"; }

prefix='' libdir='' includedir='' from=''
while [ $# -gt 0 ]; do
    case $1 in
        --libdir) libdir=${2:?--libdir wants a folder}; shift 2 ;;
        --libdir=*) libdir=${1#*=}; shift ;;
        --includedir) includedir=${2:?--includedir wants a folder}; shift 2 ;;
        --includedir=*) includedir=${1#*=}; shift ;;
        --from) from=${2:?--from wants a folder}; shift 2 ;;
        --from=*) from=${1#*=}; shift ;;
        -h | --help) usage; exit 0 ;;
        -*) echo "install.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
        *) [ -z "$prefix" ] || { usage >&2; exit 2; }; prefix=$1; shift ;;
    esac
done
[ -n "$prefix" ] || { usage >&2; exit 2; }

absolute() { case $1 in /*) printf '%s' "$1" ;; *) printf '%s/%s' "$(pwd)" "$1" ;; esac; }
prefix=$(absolute "${prefix%/}")
libdir=$(absolute "${libdir:-$prefix/lib}")
includedir=$(absolute "${includedir:-$prefix/include}")
[ -z "$from" ] || from=$(absolute "$from")

here=$(cd "$(dirname "$0")" && pwd)
if [ -z "$from" ]; then
    from=${CARGO_TARGET_DIR:-$here/../target}/release
    # Those that are there may be of older sources; cargo knows.
    if command -v cargo >/dev/null || [ ! -e "$from/libzmq.so" ] || [ ! -e "$from/libzmq.a" ]; then
        (cd "$here" && cargo build --release --package libzmq)
    fi
fi

lib=${DESTDIR:-}$libdir include=${DESTDIR:-}$includedir
mkdir -p "$lib/pkgconfig" "$lib/cmake/ZeroMQ" "$include"

# A program that runs now keeps the file it has open: the new one takes its name, not its place.
lay() { # FROM TO MODE
    cp "$1" "$2.new"
    chmod "$3" "$2.new"
    mv -f "$2.new" "$2"
}
link() { # TARGET NAME
    ln -s "$1" "$2.new"
    mv -f "$2.new" "$2"
}
rm -f "$lib/libzmq.so.5.new" "$lib/libzmq.so.new"
lay "$from/libzmq.so" "$lib/$file" 755
link "$file" "$lib/libzmq.so.5"
link "$file" "$lib/libzmq.so"
[ ! -e "$from/libzmq.a" ] || lay "$from/libzmq.a" "$lib/libzmq.a" 644
for header in zmq.h zmq_utils.h zefiro.h; do
    lay "$here/include/$header" "$include/$header" 644
done

# Beside the prefix, folders are named by it, so that the whole can be moved; elsewhere by their full names.
within() { # FOLDER NAME-OF-PREFIX
    case $1 in
        "$prefix"/*) printf '%s/%s' "$2" "${1#"$prefix"/}" ;;
        *) printf '%s' "$1" ;;
    esac
}
# shellcheck disable=SC2016 # CMake expands it
case $libdir in
    "$prefix"/*)
        up=$(printf '%s' "${libdir#"$prefix"/}/cmake/ZeroMQ" | sed 's|[^/]\{1,\}|..|g')
        cmake_prefix='${CMAKE_CURRENT_LIST_DIR}'/$up
        ;;
    *) cmake_prefix=$prefix ;;
esac
pointer_bytes=$(($(getconf LONG_BIT) / 8))
fill() {
    # shellcheck disable=SC2016 # the other programs expand these
    sed -e "s|@version@|$version|g" -e "s|@prefix@|$prefix|g" -e "s|@shared@|$file|g" \
        -e "s|@libdir@|$(within "$libdir" '${prefix}')|g" \
        -e "s|@includedir@|$(within "$includedir" '${prefix}')|g" \
        -e "s|@cmake_libdir@|$(within "$libdir" '${ZeroMQ_PREFIX}')|g" \
        -e "s|@cmake_includedir@|$(within "$includedir" '${ZeroMQ_PREFIX}')|g" \
        -e "s|@cmake_prefix@|$cmake_prefix|g" -e "s|@pointer_bytes@|$pointer_bytes|g" "$1" > "$2"
}
fill "$here/libzmq.pc.in" "$lib/pkgconfig/libzmq.pc"
fill "$here/cmake/ZeroMQConfig.cmake.in" "$lib/cmake/ZeroMQ/ZeroMQConfig.cmake"
fill "$here/cmake/ZeroMQConfigVersion.cmake.in" "$lib/cmake/ZeroMQ/ZeroMQConfigVersion.cmake"

echo "libzmq $version by Zefiro: $libdir/$file"
if [ -z "${DESTDIR:-}" ] && [ "$(id -u)" = 0 ]; then
    # The loader looks only into the folders it knows; for others, see "Switching from libzmq".
    ldconfig 2>/dev/null || true
fi
