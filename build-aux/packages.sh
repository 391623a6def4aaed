# What the scripts that build packages share; sourced at the top of the checkout.

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo "$@"
    else echo "blelock: neither root nor sudo is at hand for: $*" >&2; return 127
    fi
}

# need_packages PACKAGE...: installs those that are missing.
need_packages() {
    missing_now=
    for needed in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$needed" 2>/dev/null)" = installed ] ||
            missing_now="$missing_now $needed"
    done
    [ -n "$missing_now" ] || return 0
    echo "==> Debian packages:$missing_now"
    as_root build-aux/apt-install $missing_now || {
        echo "blelock: these packages are needed, and apt could not install them:$missing_now" >&2
        return 1
    }
}

# The names in debian/control's Build-Depends that are not met.
build_dependencies_missing() {
    # dpkg-checkbuilddeps translates nothing in this locale; virtual names stand for packages.
    LC_ALL=C dpkg-checkbuilddeps 2>&1 |
        sed -n 's/.*[Uu]nmet build dependencies: //p' |
        sed -e 's/([^)]*)//g' -e 's/dh-sequence-python3/dh-python/' \
            -e 's/dh-sequence-installsysusers/debhelper/' -e 's/debhelper-compat/debhelper/'
}

# copy_checkout DIRECTORY: what git tracks, as it is now.
copy_checkout() {
    mkdir -p "$1"
    # A file that is deleted but still tracked is not copied.
    git -c safe.directory="$(pwd)" ls-files -z |
        xargs -0 sh -c 'for file; do [ -e "$file" ] && printf "%s\\0" "$file"; done; :' sh |
        tar --null --files-from=- --create | tar --extract --directory "$1"
}
