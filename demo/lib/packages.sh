# shellcheck shell=bash
# What the machine must have, and the build of the extension.
#
# Tools are looked for, not packages: where they all are, no package manager is called at all.

# newest_of PROGRAM: its path in the newest of Debian's PostgreSQL versions, if there is one
newest_of() {
	{ find /usr/lib/postgresql -path "*/bin/$1" 2>/dev/null || true; } | sort -V | tail -n 1
}

# The newest PostgreSQL with a server; PG_CONFIG in the environment wins.
find_postgres() {
	if [ -n "${PG_CONFIG:-}" ]; then
		"$PG_CONFIG" --version >/dev/null 2>&1 || give_up 1 "PG_CONFIG=$PG_CONFIG does not run"
	else
		PG_CONFIG=$(newest_of pg_config)
		if [ -z "$PG_CONFIG" ] && have pg_config; then PG_CONFIG=$(command -v pg_config); fi
	fi
	PG_BIN=
	if [ -n "$PG_CONFIG" ]; then PG_BIN=$("$PG_CONFIG" --bindir); fi
}

# The major version that packages are wanted for: what is installed, else what the distribution has.
postgres_major() {
	local installed
	installed=$(newest_of postgres | cut -d/ -f5)
	[ -n "$installed" ] || installed=$({ apt-cache depends postgresql 2>/dev/null || true; } |
		sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p')
	printf '%s' "${installed:-15}"
}

# has_header HEADER [LIBRARY]: can a C program include it?  A library's .pc file may be there without it.
has_header() {
	local cc flags=()
	cc=$(command -v gcc || command -v cc) || return 1
	if [ $# -gt 1 ]; then
		pkg-config --exists "$2" 2>/dev/null || return 1
		read -ra flags < <(pkg-config --cflags "$2")
	fi
	printf '#include <%s>\n' "$1" | "$cc" -E "${flags[@]}" -x c - >/dev/null 2>&1
}

# pg_config may stand alone (libpq-dev), and PGXS without the server's headers.
has_server_headers() {
	[ -n "$PG_CONFIG" ] && [ -f "$("$PG_CONFIG" --pgxs)" ] && [ -f "$("$PG_CONFIG" --includedir-server)/postgres.h" ]
}

missing_packages() {
	local major
	major=$(postgres_major)
	[ -n "$PG_BIN" ] && [ -x "$PG_BIN/initdb" ] || echo "postgresql-$major"
	has_server_headers || echo "postgresql-server-dev-$major"
	have make || echo make
	have gcc || have cc || echo gcc
	[ -f /usr/include/stdlib.h ] || echo libc6-dev
	have curl || echo curl
	have pkg-config || echo pkg-config
	has_header curl/curl.h libcurl || echo libcurl4-openssl-dev
	has_header cjson/cJSON.h libcjson || echo libcjson-dev
	has_header utf8proc.h libutf8proc || echo libutf8proc-dev
	has_header libxml/HTMLparser.h libxml-2.0 || echo libxml2-dev
	have python3 || echo python3
	python3 -m pip --version >/dev/null 2>&1 || echo python3-pip
	[ -d /etc/ssl/certs ] || echo ca-certificates
}

# as_root COMMAND...
as_root() {
	if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() {
	local try
	# another package manager may hold the lists for a while; only the installation has an option to wait
	for try in 1 2 3 4 5 6; do
		as_root apt-get -qq update && break
		sleep $((try * 5))
	done
	as_root env DEBIAN_FRONTEND=noninteractive \
		apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=600 install "$@"
}

install_packages() {
	local missing
	find_postgres
	mapfile -t missing < <(missing_packages)
	[ ${#missing[@]} -gt 0 ] || return 0
	if ! have apt-get; then
		give_up 1 "this machine lacks (names of Debian's packages): ${missing[*]}" \
			"install them, or set PG_CONFIG to the pg_config of your PostgreSQL, and run this again"
	elif [ "$(id -u)" != 0 ] && ! have sudo; then
		give_up 1 "this machine lacks packages; as root, type" "apt-get update && apt-get install ${missing[*]}"
	fi
	say "installing packages: ${missing[*]}"
	# without the lists of a first update the major version above was a guess
	if ! watched seconds_only apt_install "${missing[@]}"; then
		find_postgres
		mapfile -t missing < <(missing_packages)
		if ! watched seconds_only apt_install "${missing[@]}"; then
			last_words
			if grep -qE 'Failed to fetch|Could not resolve|Could not connect|Unable to locate|no installation candidate' \
				"$RUN_DIR/last.log"; then
				give_up "$EX_UNAVAILABLE" "the distribution's packages cannot be reached: ${missing[*]}"
			fi
			give_up 1 "the packages were not installed: ${missing[*]}"
		fi
	fi
	find_postgres
	mapfile -t missing < <(missing_packages)
	[ ${#missing[@]} -eq 0 ] || give_up 1 "still missing after the installation: ${missing[*]}"
}

build() { make -s -C "$REPO" PG_CONFIG="$PG_CONFIG"; }

install_built() { as_root make -s -C "$REPO" PG_CONFIG="$PG_CONFIG" install; }

build_extension() {
	say "building qwen_classify for $("$PG_CONFIG" --version)"
	watched seconds_only build || { last_words 20; give_up 1 "the extension does not build"; }
	if [ "$(id -u)" != 0 ] && ! [ -w "$("$PG_CONFIG" --pkglibdir)" ] && ! have sudo; then
		give_up 1 "the extension is built, but only root can install it; as root, type" \
			"make -C $REPO PG_CONFIG=$PG_CONFIG install"
	fi
	watched seconds_only install_built || { last_words; give_up 1 "the extension cannot be installed"; }
}
