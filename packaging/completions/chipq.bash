# bash completion of chipq. The program itself knows its commands and options (chipq help --complete), so this file
# never goes stale; where it has no answer, file names are offered.
_chipq() {
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    mapfile -t COMPREPLY < <("${COMP_WORDS[0]}" help --complete -- "${words[@]}" 2>/dev/null)
    ((${#COMPREPLY[@]})) || compopt -o default
}
complete -F _chipq chipq
