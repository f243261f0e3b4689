# shellcheck shell=sh
# Does this playbook fit: any host with the usual tools. A plan asks for it by name; it is never found by itself.

step_detect() {
    facts
    for tool in tar gzip sha256sum awk find readlink mktemp sort df sync timeout; do
        command -v "$tool" >/dev/null || {
            rec fits no "$tool is not there"
            done_ok
        }
    done
    rec fits yes "releases in folders"
    done_ok
}
