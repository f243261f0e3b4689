# shellcheck shell=sh
# Does this playbook fit: a host whose packages come from dpkg, through apt.

step_detect() {
    facts
    for tool in dpkg dpkg-query dpkg-deb apt-get apt-cache apt-mark awk; do
        command -v "$tool" >/dev/null || {
            rec fits no "$tool is not there"
            done_ok
        }
    done
    [ -s "$ADMIN/status" ] || {
        rec fits no "dpkg knows no package here"
        done_ok
    }
    rec fits yes "apt $(apt-get --version | awk 'NR == 1 { print $2 }')"
    done_ok
}
