# What the tests need beside the Rust toolchain. Sourced by tests/run.

postgres_bin=

# The server's programs, from PATH or from where Debian keeps them.
install_postgres() {
    find_postgres && return
    # Debian would start a cluster of its own.
    install_packages postgresql-common
    echo 'create_main_cluster = false' | as_root tee -a /etc/postgresql-common/createcluster.conf >/dev/null
    install_packages postgresql
    find_postgres || fail "the programs of PostgreSQL are not where they should be"
}

find_postgres() {
    local found
    for found in "$(command -v initdb || true)" $(printf '%s\n' /usr/lib/postgresql/*/bin/initdb | sort -Vr); do
        [ -x "$found" ] || continue
        postgres_bin=$(dirname "$(readlink -f "$found")")
        [ ! -x "$postgres_bin/postgres" ] || return 0
    done
    return 1
}

# The browser that pages are looked at with.
install_browser() {
    command -v chromium >/dev/null || command -v google-chrome >/dev/null ||
        install_packages --no-install-recommends chromium
}

# install_python FOLDER LIST: a private environment with what its list names.
install_python() {
    python3 -c 'import ensurepip, venv' 2>/dev/null || install_packages python3-venv
    if ! cmp --silent "$2" "$1/installed.txt"; then
        [ -x "$1/bin/python" ] || python3 -m venv "$1"
        "$1/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --requirement "$2"
        cp "$2" "$1/installed.txt"
    fi
}

# The same for npm.
install_node() {
    local list=tests/node/package-lock.json
    command -v node >/dev/null && command -v npm >/dev/null ||
        install_packages --no-install-recommends nodejs npm
    if ! cmp --silent "$list" .node/installed.json; then
        mkdir -p .node
        cp tests/node/package.json "$list" .node
        npm ci --prefix .node --ignore-scripts --no-audit --no-fund --silent
        cp "$list" .node/installed.json
    fi
}

install_packages() {
    [ -n "${package_lists_are_new:-}" ] || as_root apt-get update --quiet=2
    package_lists_are_new=yes
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes "$@" >/dev/null
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "install it, or run as root: $*"
    fi
}
