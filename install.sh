#!/bin/sh
# Installs, upgrades and removes Fairlead. One script for both ways:
#
#   curl -fsSL http://SERVER/install.sh | sh -s -- --url http://SERVER     from a web server
#   sh install.sh --bundle FILE                                            from one file, without a network
#   tar -xzf FILE && fairlead-.../install.sh                               from an unpacked bundle
#
# install.sh [install|upgrade|rollback|uninstall] [OPTIONS]; install.sh --help has the options.
# Everything is in functions and the last line calls main: half a script does nothing.

set -eu

usage() {
  cat <<'END'
Usage: install.sh [COMMAND] [OPTIONS]

Commands:
  install            install, or upgrade to what is given (the default); the same again changes nothing
  upgrade            the same word for it
  rollback           go back to the version that was there before
  uninstall          remove Fairlead; networks, settings and state stay for a later installation
  uninstall --purge  remove those, too: the host is as it was before

Where from (the first of these; FAIRLEAD_... variables say the same):
  --bundle FILE      a bundle: fairlead-linux-x64.tar.gz                FAIRLEAD_BUNDLE
  --url URL          folder of a web server that has bundle and SHA256SUMS   FAIRLEAD_URL
  (none)             the folder, or a bundle, that this script lies in

Options:
  --public-key KEY   public key of minisign, or a file with it: the bundle must be signed by it; kept for upgrades
  --uplinks NIC,...  NICs for VLAN networks, as in fairlead agent --uplinks
  --join TOKEN       join the cluster that printed the token
  --role ROLE        with --join: voter, observer or witness; says so when the token was for another
  --with-ovs         install the Open vSwitch packages of the bundle where there is none (Debian, Ubuntu)
  --root DIR         install below DIR, for images: no service is started, this host is not checked
  --no-start         install and enable, start nothing
  --dry-run          print every file and command, change nothing
  --force            go on where a check of the host fails
  --purge            with uninstall
END
}

say() { printf '%s\n' "$*"; }
warn() { printf 'note: %s\n' "$*" >&2; }

# fail WHAT FIX: one line, and nothing after it
fail() {
  printf 'error: %s: %s: %s\n' "$STEP" "$1" "$2" >&2
  REPORTED=yes
  exit 1
}

# on every way out: temporary files go, a command that failed silently is named
finish() {
  status=$?
  [ -z "$WORK" ] || rm -rf "$WORK"
  [ -z "$STAGED" ] || rm -rf "$STAGED"
  if [ "$status" != 0 ] && [ -z "$REPORTED" ]; then
    printf 'error: %s: failed with exit code %s: the lines above say why; nothing runs half-way, run it again\n' "$STEP" "$status" >&2
  fi
  exit "$status"
}

# run COMMAND...: does it, or prints it
run() {
  if [ "$DRY" = yes ]; then say "would run: $*"; else "$@"; fi
}

has() { command -v "$1" >/dev/null 2>&1; }

parse() {
  COMMAND=install BUNDLE=${FAIRLEAD_BUNDLE:-} URL=${FAIRLEAD_URL:-} KEY='' UPLINKS='' TOKEN='' ROLE='' ROOT=''
  WITH_OVS=no START=yes DRY=no FORCE=no PURGE=no
  case ${1:-} in install | upgrade | rollback | uninstall) COMMAND=$1 && shift ;; esac
  while [ $# -gt 0 ]; do
    case $1 in
      --bundle | --url | --public-key | --uplinks | --join | --role | --root)
        [ $# -ge 2 ] || fail "$1 has no value" 'see install.sh --help'
        case $1 in
          --bundle) BUNDLE=$2 ;; --url) URL=${2%/} ;; --public-key) KEY=$2 ;; --uplinks) UPLINKS=$2 ;;
          --join) TOKEN=$2 ;; --role) ROLE=$2 ;; --root) ROOT=${2%/} ;;
        esac
        shift
        ;;
      --with-ovs) WITH_OVS=yes ;; --no-start) START=no ;; --dry-run) DRY=yes ;;
      --force) FORCE=yes ;; --purge) PURGE=yes ;;
      --help | -h) usage && exit 0 ;;
      *) fail "unknown word '$1'" 'see install.sh --help' ;;
    esac
    shift
  done
  case $UPLINKS in *[!A-Za-z0-9_.,-]*) fail "--uplinks '$UPLINKS'" 'give names of NICs with commas between them' ;; esac
  case $ROLE in '' | voter | observer | witness) ;; *) fail "--role '$ROLE'" 'must be voter, observer or witness' ;; esac
  [ -z "$ROLE" ] || [ -n "$TOKEN" ] || fail '--role without --join' 'roles are of members of a cluster: give --join TOKEN'
  [ -z "$ROOT" ] || [ -z "$TOKEN" ] || fail '--join with --root' 'join when the image runs: fairlead cluster join TOKEN'
  [ -z "$ROOT" ] || START=no
}

places() {
  LIB=$ROOT/usr/local/lib/fairlead
  BIN=$ROOT/usr/local/bin
  UNITS=$ROOT/usr/local/lib/systemd/system
  SETTINGS=$ROOT/etc/default/fairlead
  ETC=$ROOT/etc/fairlead
  # what was made, one word and one path a line; uninstall removes exactly that
  MADE=$LIB/made
  MANAGER=none
  if [ -d "$ROOT/run/systemd/system" ] || { [ -n "$ROOT" ] && [ -d "$ROOT/lib/systemd" ]; }; then
    MANAGER=systemd
  elif [ -x "$ROOT/sbin/openrc-run" ]; then
    MANAGER=openrc
  fi
}

distribution() {
  DISTRIBUTION=unknown
  [ -r "$ROOT/etc/os-release" ] || return 0
  # shellcheck disable=SC1091 # it is the host's
  ids=$(. "$ROOT/etc/os-release" && printf '%s' " ${ID:-} ${ID_LIKE:-} ")
  case $ids in
    *' debian '* | *' ubuntu '*) DISTRIBUTION=debian ;;
    *' rhel '* | *' fedora '* | *' centos '*) DISTRIBUTION=rhel ;;
    *' suse '* | *' opensuse'* | *' sles '*) DISTRIBUTION=suse ;;
    *' alpine '*) DISTRIBUTION=alpine ;;
  esac
}

# how_to PACKAGES-BY-FAMILY...: debian rhel suse alpine
how_to() {
  case $DISTRIBUTION in
    debian) printf 'apt-get install %s' "$1" ;;
    rhel) printf 'dnf install %s' "$2" ;;
    suse) printf 'zypper install %s' "$3" ;;
    alpine) printf 'apk add %s' "$4" ;;
    *) printf 'install %s' "$1" ;;
  esac
}

# check WHAT FIX: a check of the host that failed; --force makes it a note
check_failed() {
  if [ "$FORCE" = yes ]; then warn "$1: $2"; else fail "$1" "$2"; fi
}

machine() {
  case $(uname -sm) in
    'Linux x86_64' | 'Linux amd64') TARGET=linux-x64 ;;
    'Linux aarch64' | 'Linux arm64') TARGET=linux-arm64 ;;
    *) fail "this is $(uname -sm)" 'Fairlead runs on Linux, x86_64 and aarch64' ;;
  esac
  is_musl || return 0
  [ "$TARGET" = linux-x64 ] || fail 'this host has musl on aarch64' 'there is no build for that; use x86_64, or a host with glibc'
  TARGET=linux-x64-musl
}

is_musl() {
  [ -n "$(find "$ROOT/lib" -maxdepth 1 -name 'ld-musl-*' 2>/dev/null)" ] || return 1
  # the linker of musl can be there beside glibc
  [ -n "$ROOT" ] || ! getconf GNU_LIBC_VERSION >/dev/null 2>&1
}

need_root() {
  [ "$(id -u)" = 0 ] || [ -n "$ROOT" ] || fail 'not root' 'run it as root: sudo sh install.sh ...'
}

# what must be there before anything is changed
preflight() {
  STEP=preflight
  need_root
  machine
  for tool in tar gzip sha256sum awk sed find; do
    has "$tool" || fail "there is no $tool" "$(how_to "$tool" "$tool" "$tool" "$tool")"
  done
  [ -z "$ROOT" ] || return 0
  preflight_libraries
  preflight_docker
  preflight_ovs
}

preflight_libraries() {
  libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || true)
  case $TARGET:$libc in
    *-musl:*) ;;
    *:glibc\ *)
      minor=${libc##*.}
      [ "${libc#glibc 2.}" != "$libc" ] && [ "$minor" -lt 28 ] &&
        check_failed "$libc is too old" 'Fairlead needs glibc 2.28 or newer (Debian 10, RHEL 8, SLES 15 SP3)'
      ;;
    *) check_failed 'this host has no glibc' 'use a host with glibc, or with musl (Alpine) on x86_64' ;;
  esac
  [ -n "$(find /lib /lib64 /usr/lib /usr/lib64 -name 'libstdc++.so.6' 2>/dev/null | head -n 1)" ] ||
    check_failed 'libstdc++.so.6 is missing' "$(how_to libstdc++6 libstdc++ libstdc++6 libstdc++)"
}

preflight_docker() {
  if ! has docker; then
    check_failed 'there is no Docker' "$(how_to docker.io docker-ce docker docker)"
    return 0
  fi
  engine=$(docker version --format '{{.Server.Version}}' 2>/dev/null || true)
  case $engine in [0-9]*) ;; *) engine=$(docker --version 2>/dev/null | sed 's/^[^0-9]*//;s/,.*//') ;; esac
  major=${engine%%.*} rest=${engine#*.}
  minor=${rest%%.*}
  case $major in '' | *[!0-9]*) warn "the version of Docker is not known ($engine)" && return 0 ;; esac
  case $minor in '' | *[!0-9]*) minor=0 ;; esac
  if [ "$major" -lt 20 ] || { [ "$major" = 20 ] && [ "$minor" -lt 10 ]; }; then
    check_failed "Docker $engine is too old" 'Fairlead needs Docker 20.10 or newer'
  fi
}

preflight_ovs() {
  ! has ovs-vsctl || return 0
  if [ "$WITH_OVS" = yes ]; then
    [ "$DISTRIBUTION" = debian ] || fail '--with-ovs' 'bundles have packages of Debian and Ubuntu only'
    return 0
  fi
  check_failed 'there is no Open vSwitch' \
    "$(how_to openvswitch-switch openvswitch openvswitch openvswitch), or --with-ovs with a bundle that has it"
}

# finds the bundle and unpacks it, checked, into $STAGED
fetch() {
  STEP='unpack the bundle'
  # read from a pipe, $0 is the shell: then there is nothing beside it
  here=''
  case $0 in */install.sh | install.sh) here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) ;; esac
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/fairlead-install.XXXXXX")
  SOURCE=''
  if [ -n "$BUNDLE" ]; then
    [ -r "$BUNDLE" ] || fail "$BUNDLE cannot be read" 'give the path of a bundle'
  elif [ -n "$URL" ]; then
    download
  elif [ -n "$here" ] && [ -f "$here/VERSION" ] && [ -f "$here/SHA256SUMS" ] && [ -f "$here/bin/fairlead" ]; then
    SOURCE=$here
  elif [ -n "$here" ] && [ -f "$here/fairlead-$TARGET.tar.gz" ]; then
    BUNDLE=$here/fairlead-$TARGET.tar.gz
  else
    fail 'nothing to install' "give --bundle FILE (fairlead-$TARGET.tar.gz) or --url URL"
  fi
  room_for_it
  unpack
  verify
}

download() {
  STEP='download the bundle'
  for name in "fairlead-$TARGET.tar.gz" SHA256SUMS; do
    if has curl; then
      curl -fsSL --retry 2 -o "$WORK/$name" "$URL/$name" || fail "$URL/$name did not come" 'check the address, or carry the bundle and give --bundle FILE'
    elif has wget; then
      wget -q -O "$WORK/$name" "$URL/$name" || fail "$URL/$name did not come" 'check the address, or carry the bundle and give --bundle FILE'
    else
      fail 'there is no curl and no wget' 'carry the bundle and give --bundle FILE'
    fi
  done
  (cd "$WORK" && grep "  fairlead-$TARGET.tar.gz\$" SHA256SUMS | sha256sum -c - >/dev/null 2>&1) ||
    fail 'the bundle is not what SHA256SUMS says' 'download it again'
  BUNDLE=$WORK/fairlead-$TARGET.tar.gz
}

# room for the new version beside what is there
room_for_it() {
  STEP='check the disk'
  if [ -n "$SOURCE" ]; then
    kilobytes=$(du -sk "$SOURCE" | awk '{ print $1 }')
  else
    gzip -t "$BUNDLE" 2>/dev/null || fail "$BUNDLE is damaged" 'copy it again'
    LC_ALL=C tar -tzvf "$BUNDLE" >"$WORK/list" 2>/dev/null || fail "$BUNDLE is no bundle" 'copy it again'
    kilobytes=$(awk '{ bytes += $3 } END { print int(bytes / 1024) + 1 }' "$WORK/list")
  fi
  near=$LIB
  while [ ! -d "$near" ]; do near=$(dirname "$near"); done
  free=$(df -Pk "$near" | awk 'NR == 2 { print $4 }')
  [ "$free" -ge $((kilobytes + 4096)) ] ||
    fail "$near has $((free / 1024)) MB free" "make room: $((kilobytes / 1024 + 4)) MB are needed"
}

# one folder of files with plain names, and nothing that leads elsewhere; managed plugins have the program as a
# second name of the one file (GNU tar lists it as "h...: NAME link to FILE", busybox as "-...: NAME -> FILE")
plain_list() {
  awk '
    { kind = substr($0, 1, 1); name = $NF; to = "" }
    / link to / { to = $NF; name = $(NF - 3); sub(/^h/, "-", kind) }
    / -> / { to = $NF; name = $(NF - 2) }
    (kind != "-" && kind != "d") || name ~ /^\// || (name "/" to) ~ /(^|\/)\.\.(\/|$)/ { exit 1 }
    to != "" { split(name, part, "/"); if (name !~ /^[^\/]+\/plugin\/[a-z]+\/rootfs\/fairlead$/ || to != part[1] "/bin/fairlead") exit 1 }
  '
}

unpack() {
  STEP='unpack the bundle'
  near=$LIB
  while [ ! -d "$near" ]; do near=$(dirname "$near"); done
  # beside its place, so that the rest is a rename; a dry run leaves the host alone
  if [ "$DRY" = yes ]; then near=$WORK; fi
  STAGED=$(mktemp -d "$near/.fairlead-new.XXXXXX")
  chmod 0755 "$STAGED"
  if [ -n "$SOURCE" ]; then
    # by tar, which keeps second names of a file; owners and modes are as those of a bundle
    (cd "$SOURCE" && tar -cf - .) | (cd "$STAGED" && tar -xof -) || fail "$SOURCE cannot be copied" 'the lines above say why'
    chmod -R u=rwX,go=rX "$STAGED"
  else
    plain_list <"$WORK/list" || fail "$BUNDLE has files that no bundle has" 'use one made by fairlead bundle create'
    mkdir "$STAGED/.all"
    tar -xzf "$BUNDLE" -C "$STAGED/.all" || fail "$BUNDLE cannot be unpacked" 'the lines above say why'
    for inner in "$STAGED"/.all/*; do mv "$inner"/* "$STAGED/"; done
    rm -rf "$STAGED/.all"
  fi
  NAME=$(head -n 1 "$STAGED/VERSION" 2>/dev/null || true)
  case $NAME in
    *[!0-9A-Za-z.+-]* | '') fail 'the bundle does not say its version' 'use one made by fairlead bundle create' ;;
    fairlead-*-"$TARGET") ;;
    fairlead-*) fail "$NAME is for another machine" "this one needs fairlead-$TARGET.tar.gz" ;;
    *) fail 'the bundle does not say its version' 'use one made by fairlead bundle create' ;;
  esac
}

verify() {
  STEP='verify the bundle'
  [ -f "$STAGED/SHA256SUMS" ] || fail 'it has no SHA256SUMS' 'use one made by fairlead bundle create'
  [ -n "$KEY" ] || [ ! -f "$ETC/release.pub" ] || KEY=$ETC/release.pub
  if [ -n "$KEY" ]; then
    verify_signature
  elif [ "$COMMAND" != rollback ]; then
    warn 'the signature is not checked: no --public-key'
  fi
  (cd "$STAGED" && sha256sum -c SHA256SUMS >/dev/null 2>&1) || fail 'a file is not what SHA256SUMS says' 'copy the bundle again'
  files=$(find "$STAGED" -type f ! -name 'SHA256SUMS*' | wc -l)
  [ "$files" -eq "$(wc -l <"$STAGED/SHA256SUMS")" ] || fail 'it has files that SHA256SUMS does not name' 'copy the bundle again'
  # the new binary is asked before anything of the old one is touched
  if [ -z "$ROOT" ]; then
    env -i PATH="$PATH" TMPDIR="$STAGED" "$STAGED/bin/fairlead" self-test >"$WORK/self-test" 2>&1 ||
      check_failed "the binary does not work here ($(head -n 1 "$WORK/self-test"))" 'see what it says'
  fi
}

verify_signature() {
  if [ -f "$KEY" ]; then KEY=$(sed -n '/^untrusted comment/d;/./p' "$KEY" | head -n 1); fi
  signature=$STAGED/SHA256SUMS.minisig
  [ -f "$signature" ] || fail 'it is not signed' 'use a signed bundle, or leave out --public-key (and remove /etc/fairlead/release.pub)'
  if has minisign; then
    minisign -Vq -P "$KEY" -x "$signature" -m "$STAGED/SHA256SUMS" >/dev/null 2>&1 ||
      fail 'the signature is not of this key' 'do not use this bundle'
  elif has openssl && has base64 && has od; then
    verify_by_openssl || fail 'the signature is not of this key' 'do not use this bundle'
  else
    fail 'signatures need minisign or openssl' "$(how_to minisign minisign minisign minisign)"
  fi
}

# minisign's arithmetic: Ed25519 over BLAKE2b-512; files are algorithm (2), key's name (8), key or signature
verify_by_openssl() {
  printf '%s\n' "$KEY" | base64 -d >"$WORK/key" 2>/dev/null || return 1
  sed -n 2p "$signature" | base64 -d >"$WORK/signature" 2>/dev/null || return 1
  [ "$(wc -c <"$WORK/key")" -eq 42 ] && [ "$(wc -c <"$WORK/signature")" -eq 74 ] || return 1
  [ "$(head -c 2 "$WORK/signature")" = ED ] || return 1
  [ "$(head -c 10 "$WORK/key" | tail -c 8 | od -An -tx1)" = "$(head -c 10 "$WORK/signature" | tail -c 8 | od -An -tx1)" ] || return 1
  { printf '\060\052\060\005\006\003\053\145\160\003\041\000' && tail -c 32 "$WORK/key"; } >"$WORK/key.der"
  tail -c 64 "$WORK/signature" >"$WORK/signature.raw"
  openssl dgst -blake2b512 -binary "$STAGED/SHA256SUMS" >"$WORK/digest" || return 1
  openssl pkeyutl -verify -pubin -keyform DER -inkey "$WORK/key.der" -rawin -in "$WORK/digest" -sigfile "$WORK/signature.raw" >/dev/null 2>&1
}

# --- changes -----------------------------------------------------------------------------------------

# note KIND PATH: what was made, once
note() {
  [ "$DRY" = no ] || return 0
  if [ ! -d "$LIB" ]; then
    # the list lies in a folder that is still to be made
    PENDING="$PENDING$1 $2
"
    return 0
  fi
  printf '%s' "$PENDING" >>"$MADE"
  PENDING=''
  grep -qxF "$1 $2" "$MADE" || printf '%s %s\n' "$1" "$2" >>"$MADE"
}

# folder PATH: with all above it; what was not there before is noted
folder() {
  [ ! -d "$1" ] || return 0
  folder "$(dirname "$1")"
  if [ "$DRY" = yes ]; then say "would make folder $1" && return 0; fi
  mkdir "$1" && chmod 0755 "$1"
  case $1 in "$LIB"*) ;; *) note folder "$1" ;; esac
}

# place FROM TO MODE: a file of ours, replaced whole
place() {
  folder "$(dirname "$2")"
  if [ "$DRY" = yes ]; then say "would write $2" && return 0; fi
  cmp -s "$1" "$2" || { cp "$1" "$2.new" && chmod "$3" "$2.new" && mv -f "$2.new" "$2" && CHANGED=yes; }
  note file "$2"
}

# point LINK AT: by rename, so that the link is there at every moment
point() {
  if [ "$DRY" = yes ]; then say "would link $1 to $2" && return 0; fi
  ln -s "$2" "$1.new"
  mv -fT "$1.new" "$1" 2>/dev/null || { rm -f "$1" && mv -f "$1.new" "$1"; }
}

target_of() { readlink "$1" 2>/dev/null || true; }

install_ovs() {
  [ -z "$ROOT" ] && [ "$WITH_OVS" = yes ] && ! has ovs-vsctl || return 0
  STEP='install Open vSwitch'
  [ -n "$(find "$STAGED/ovs" -name '*.deb' 2>/dev/null)" ] || fail 'the bundle has no Open vSwitch packages' "$(how_to openvswitch-switch '' '' '')"
  for package in "$STAGED"/ovs/*.deb; do
    name=$(dpkg-deb -f "$package" Package)
    dpkg-query -W -f '${Status}' "$name" 2>/dev/null | grep -q ' installed' || note package "$name"
  done
  run dpkg -i "$STAGED"/ovs/*.deb
}

# the new version becomes current; the one that was stays beside it
swap() {
  STEP='put the files in place'
  before=$(target_of "$LIB/current")
  folder "$LIB"
  folder "$BIN"
  note file "$BIN/fairlead"
  if [ "$before" = "$NAME" ] && cmp -s "$STAGED/SHA256SUMS" "$LIB/$NAME/SHA256SUMS"; then
    say "$NAME is installed already"
  else
    CHANGED=yes
    if [ "$DRY" = yes ]; then
      say "would move $NAME to $LIB/$NAME"
    else
      rm -rf "${LIB:?}/$NAME" && mv "$STAGED" "$LIB/$NAME"
      STAGED=''
    fi
    if [ -n "$before" ] && [ "$before" != "$NAME" ]; then point "$LIB/previous" "$before"; fi
    point "$LIB/current" "$NAME"
  fi
  [ "$(target_of "$BIN/fairlead")" = ../lib/fairlead/current/bin/fairlead ] || point "$BIN/fairlead" ../lib/fairlead/current/bin/fairlead
  if [ -z "$ROOT" ] && has restorecon; then run restorecon -R "$LIB"; fi
  files_of_release "${STAGED:-$LIB/$NAME}"
}

# units, completions and man pages of a release
files_of_release() {
  case $MANAGER in
    systemd)
      for unit in "$1"/systemd/*; do place "$unit" "$UNITS/$(basename "$unit")" 0644; done
      ;;
    openrc) place "$1/openrc/fairlead" "$ROOT/etc/init.d/fairlead" 0755 ;;
  esac
  for pair in completions/fairlead.bash:bash-completion/completions/fairlead completions/_fairlead:zsh/site-functions/_fairlead \
    completions/fairlead.fish:fish/vendor_completions.d/fairlead.fish completions/fairlead.bash:bash-completion/completions/netctl \
    completions/fairlead.fish:fish/vendor_completions.d/netctl.fish; do
    # somebody else's netctl may be completed already
    { [ -e "$ROOT/usr/local/share/${pair#*:}" ] && ! grep -q fairlead "$ROOT/usr/local/share/${pair#*:}"; } ||
      [ ! -f "$1/${pair%%:*}" ] || place "$1/${pair%%:*}" "$ROOT/usr/local/share/${pair#*:}" 0644
  done
  for page in "$1"/man/*.[1-8]; do
    [ ! -f "$page" ] || place "$page" "$ROOT/usr/local/share/man/man${page##*.}/$(basename "$page")" 0644
  done
  # pages of commands that this release does not have
  [ "$DRY" = no ] || return 0
  while read -r kind path; do
    case $kind:$path in
      file:*/share/man/man?/fairlead*) [ -f "$1/man/$(basename "$path")" ] || rm -f "$path" ;;
    esac
  done <"$MADE"
}

# set_line NAME VALUE in the settings file; other lines are the operator's
set_line() {
  if [ "$DRY" = yes ]; then say "would set $1=$2 in $SETTINGS" && return 0; fi
  ! grep -qxF "$1=$2" "$SETTINGS" || return 0
  { grep -v "^$1=" "$SETTINGS" || true; printf '%s=%s\n' "$1" "$2"; } >"$SETTINGS.new"
  chmod 0600 "$SETTINGS.new" && mv -f "$SETTINGS.new" "$SETTINGS"
  CHANGED=yes
}

settings() {
  STEP='write the settings'
  if [ -f "$ETC/made" ] && [ "$DRY" = no ]; then
    # an installation before this one was removed and left its settings
    while read -r kind path; do note "$kind" "$path"; done <"$ETC/made"
    rm -f "$ETC/made"
  fi
  folder "$ETC"
  folder "$(dirname "$SETTINGS")"
  if [ ! -f "$SETTINGS" ]; then
    if [ "$DRY" = yes ]; then say "would write $SETTINGS"; else
      printf '# FAIRLEAD_... lines; every option of fairlead agent has one (docs/commands.md)\n' >"$SETTINGS"
      chmod 0600 "$SETTINGS"
    fi
  fi
  note setting "$SETTINGS"
  [ -z "$UPLINKS" ] || set_line FAIRLEAD_UPLINKS "$UPLINKS"
  if [ -n "$KEY" ] && [ "$DRY" = no ]; then
    [ -f "$KEY" ] || printf 'untrusted comment: key of the releases of this host\n%s\n' "$KEY" >"$ETC/release.pub"
    note setting "$ETC/release.pub"
  fi
}

# Docker makes a bridge for networks without a gateway, and keeps it: it was not there before us
note_gateway_bridge() {
  [ -z "$ROOT" ] && has docker || return 0
  docker info >/dev/null 2>&1 || return 0
  docker network inspect docker_gwbridge >/dev/null 2>&1 || note network docker_gwbridge
}

service() {
  STEP='start the service'
  case $MANAGER in
    systemd)
      if [ -n "$ROOT" ]; then
        folder "$ROOT/etc/systemd/system/sockets.target.wants" && folder "$ROOT/etc/systemd/system/multi-user.target.wants"
        run ln -sf /usr/local/lib/systemd/system/fairlead.socket "$ROOT/etc/systemd/system/sockets.target.wants/fairlead.socket"
        run ln -sf /usr/local/lib/systemd/system/fairlead.service "$ROOT/etc/systemd/system/multi-user.target.wants/fairlead.service"
        note file "$ROOT/etc/systemd/system/sockets.target.wants/fairlead.socket"
        note file "$ROOT/etc/systemd/system/multi-user.target.wants/fairlead.service"
        return 0
      fi
      [ "$CHANGED" = no ] || run systemctl daemon-reload
      run systemctl --quiet enable fairlead.socket fairlead.service
      [ "$START" = yes ] || return 0
      run systemctl start fairlead.socket || return 1
      # the socket stays: calls of Docker wait for the new agent
      if [ "$CHANGED" = yes ]; then run systemctl restart fairlead.service; else run systemctl start fairlead.service; fi
      ;;
    openrc)
      [ -z "$ROOT" ] || return 0
      run rc-update -q add fairlead default
      [ "$START" = yes ] || return 0
      if [ "$CHANGED" = yes ]; then run rc-service fairlead restart; else run rc-service -q fairlead start || true; fi
      ;;
    *)
      [ -z "$ROOT" ] || return 0
      warn 'there is no systemd and no OpenRC: nothing starts Fairlead at boot, and Docker waits while it is down'
      warn 'run it by what you have, in the foreground: fairlead agent'
      ;;
  esac
}

join_cluster() {
  [ -n "$TOKEN" ] || return 0
  STEP='join the cluster'
  # a token is for one role; the word here is a promise that is checked
  if [ "$DRY" = yes ]; then say 'would run: fairlead cluster join TOKEN' && return 0; fi
  "$BIN/fairlead" cluster join "$TOKEN" || fail 'the cluster did not take this host' 'Fairlead is installed; fix it and run fairlead cluster join'
  [ -z "$ROLE" ] || "$BIN/fairlead" cluster status | grep -q "$ROLE" || warn "this host is no $ROLE: the token was for another role"
}

# versions that are neither current nor the one before
prune() {
  [ "$DRY" = no ] || return 0
  for old in "$LIB"/fairlead-*; do
    case $(basename "$old") in "$(target_of "$LIB/current")" | "$(target_of "$LIB/previous")") ;; *) rm -rf "$old" ;; esac
  done
}

do_install() {
  preflight
  fetch
  STEP='check what is there'
  [ ! -e "$BIN/fairlead" ] || [ -L "$BIN/fairlead" ] || fail "$BIN/fairlead is there and not from this installer" 'move it away'
  folder "$LIB"
  install_ovs
  old=$(target_of "$LIB/current")
  [ -n "$old" ] || note_gateway_bridge
  swap
  settings
  if ! (service); then
    if [ -z "$old" ] || [ "$old" = "$NAME" ]; then
      fail "$NAME does not start" 'journalctl -u fairlead says why; install.sh uninstall removes it'
    fi
    warn "$NAME does not start; going back to $old"
    go_back
    STEP='start the service' && fail "$NAME does not start" "the host is back at $old; journalctl -u fairlead says why"
  fi
  join_cluster
  prune
  [ "$DRY" = no ] || { say 'nothing was changed' && return 0; }
  say "$NAME is installed. Next:"
  say '  fairlead cluster status'
  say '  docker network create -d fairlead --ipam-driver fairlead blue'
  say '  fairlead cluster token        (a line for the next host)'
}

# current and previous change places
go_back() {
  NAME=$(target_of "$LIB/previous")
  now=$(target_of "$LIB/current")
  CHANGED=yes
  point "$LIB/current" "$NAME"
  point "$LIB/previous" "$now"
  files_of_release "$LIB/$NAME"
  service
}

do_rollback() {
  STEP=rollback
  need_root
  former=$(target_of "$LIB/previous")
  [ -d "$LIB/${former:-none}" ] || fail 'there is no version before this one' 'install one: install.sh --bundle FILE'
  go_back
  [ "$DRY" = no ] || { say 'nothing was changed' && return 0; }
  say "$NAME is back; $now is kept for another rollback"
}

# managed plugins of ours, whatever they are called: known by what they are started with
our_plugins() {
  for plugin in $(docker plugin ls --format '{{.Name}}' 2>/dev/null || true); do
    program=$(docker plugin inspect -f '{{json .Config.Entrypoint}}' "$plugin" 2>/dev/null || true)
    [ "$program" != '["/fairlead","plugin","run"]' ] || printf '%s\n' "$plugin"
  done
}

# networks first, while the agent can take down what belongs to them; then the plugins that served them
purge_networks() {
  STEP='remove the networks'
  [ -z "$ROOT" ] && has docker || return 0
  plugins=$(our_plugins)
  networks=''
  for driver in fairlead $plugins; do
    networks="$networks $(docker network ls -q --filter driver="$driver" 2>/dev/null || true)"
  done
  for network in $networks; do
    scope=$(docker network inspect -f '{{.Scope}}' "$network" 2>/dev/null || true)
    [ "$scope" != swarm ] || fail "network $network belongs to a swarm" 'take this host out of it first: docker swarm leave; nothing was changed'
    used=$(docker network inspect -f '{{len .Containers}}' "$network" 2>/dev/null || echo 0)
    [ "$used" = 0 ] || fail "network $network has containers" 'remove them, then uninstall again; nothing was changed'
  done
  for network in $networks; do run docker network rm "$network"; done
  STEP='remove the managed plugins'
  for plugin in $plugins; do
    [ "$DRY" = yes ] || docker plugin disable -f "$plugin" >/dev/null 2>&1 || true
    run docker plugin rm -f "$plugin" >/dev/null
    [ "$DRY" = yes ] || say "removed the managed plugin $plugin"
  done
}

# NICs, rules and settings; what the settings were is noted in a folder that goes when the service stops
remember_host() {
  [ "$DRY" = no ] && [ -z "$ROOT" ] || return 0
  if [ ! -x "$BIN/fairlead" ]; then
    warn 'the binary was uninstalled before: uplinks and rules of the packet filter stay as they are; install and purge once more to get rid of them'
    return 0
  fi
  AGENT_RUN=$(setting FAIRLEAD_RUN_DIR /run/fairlead)
  # stays until the end of an uninstall, so that one that broke off goes on
  REMEMBERED=$LIB/purge
  mkdir -p "$REMEMBERED"
  [ ! -f "$AGENT_RUN/kernel-settings.json" ] || cp "$AGENT_RUN/kernel-settings.json" "$REMEMBERED/"
}

give_back() {
  STEP='give back links and rules'
  if [ "$DRY" = yes ]; then say 'would run: fairlead give-back' && return 0; fi
  [ -n "$REMEMBERED" ] || return 0
  if has ovs-vsctl && ovs-vsctl --timeout=5 show >/dev/null 2>&1; then
    TMPDIR=$REMEMBERED "$BIN/fairlead" give-back --run-dir "$REMEMBERED" --ovs-db "$(setting FAIRLEAD_OVS_DB unix:/var/run/openvswitch/db.sock)" ||
      fail 'something is in the way' 'the lines above say what; then uninstall again'
  else
    warn 'Open vSwitch does not answer: its bridges stay, and NICs in them'
  fi
}

# setting NAME DEFAULT: as the service has it
setting() {
  value=$(sed -n "s/^$1=//p" "$SETTINGS" 2>/dev/null | tail -n 1 | tr -d "\"'")
  printf '%s' "${value:-$2}"
}

stop_service() {
  STEP='stop the service'
  [ -z "$ROOT" ] || return 0
  case $MANAGER in
    systemd)
      run systemctl --quiet disable --now fairlead.service fairlead.socket 2>/dev/null || true
      ;;
    openrc)
      run rc-service -q fairlead stop || true
      run rc-update -q del fairlead default || true
      ;;
    *) ! [ -S /run/fairlead/api.sock ] || warn 'stop the agent that you started yourself' ;;
  esac
}

# only what has our mark
purge_bridges() {
  STEP='remove the bridges'
  [ -z "$ROOT" ] && has ovs-vsctl || return 0
  for bridge in br-fairlead br-fl-uplink; do
    ovs-vsctl --timeout=5 br-exists "$bridge" 2>/dev/null || continue
    ovs-vsctl --timeout=5 --bare --columns=external_ids find bridge name="$bridge" | grep -q fairlead || { warn "$bridge is not ours: left" && continue; }
    run ovs-vsctl --timeout=15 --if-exists del-br "$bridge"
  done
}

do_uninstall() {
  STEP=uninstall
  need_root
  [ -f "$MADE" ] || [ "$PURGE" = no ] || [ ! -f "$ETC/made" ] || MADE=$ETC/made
  [ -f "$MADE" ] || { say 'Fairlead is not installed by this installer: nothing to do' && return 0; }
  if [ "$PURGE" = yes ]; then
    purge_networks
    remember_host
  fi
  stop_service
  if [ "$PURGE" = yes ]; then
    give_back
    purge_bridges
  fi
  STEP='remove the files'
  if [ "$DRY" = yes ]; then sed 's/^/would remove /' "$MADE" && return 0; fi
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/fairlead-install.XXXXXX")
  cp "$MADE" "$WORK/made"
  while read -r kind path; do
    case $kind in
      file) rm -f "$path" ;;
      setting) [ "$PURGE" = no ] || rm -f "$path" ;;
    esac
  done <"$WORK/made"
  [ "$PURGE" = no ] || rm -rf "$ROOT/var/lib/fairlead" "$ROOT/run/fairlead" "$ETC" "$ROOT/var/log/fairlead"
  # for the next installation, or a purge: what was not there before the first
  [ "$PURGE" = yes ] || [ ! -d "$ETC" ] || grep -v '^file ' "$WORK/made" >"$ETC/made" || true
  rm -rf "$LIB"
  # the last made is the deepest
  sed -n '1!G;h;$p' "$WORK/made" | while read -r kind path; do
    [ "$kind" != folder ] || rmdir "$path" 2>/dev/null || true
  done
  if [ -z "$ROOT" ] && [ "$MANAGER" = systemd ]; then
    systemctl daemon-reload
    systemctl reset-failed 'fairlead.*' 2>/dev/null || true
  fi
  while read -r kind path; do
    # a swarm, or a container, that needs it since, keeps it
    [ "$kind" != network ] || [ "$PURGE" = no ] || docker network rm "$path" >/dev/null 2>&1 || true
    [ "$kind" != package ] || [ "$PURGE" = no ] || run dpkg --purge "$path"
  done <"$WORK/made"
  if [ "$PURGE" = yes ]; then say 'Fairlead is gone, with networks, settings and state'; else
    say "Fairlead is gone. Kept: $SETTINGS, $ETC, $ROOT/var/lib/fairlead, networks and bridges (uninstall --purge removes them)"
  fi
}

main() {
  STEP='read the command line' WORK='' STAGED='' REMEMBERED='' REPORTED='' PENDING='' CHANGED=no DRY=no
  umask 022
  unset BUN_OPTIONS BUN_BE_BUN BUN_INSPECT BUN_INSPECT_PRELOAD NODE_OPTIONS LD_PRELOAD
  trap finish EXIT
  trap 'exit 130' INT TERM HUP
  parse "$@"
  places
  distribution
  case $COMMAND in
    install | upgrade) do_install ;;
    rollback) do_rollback ;;
    uninstall) do_uninstall ;;
  esac
}

{ main "$@"; }
