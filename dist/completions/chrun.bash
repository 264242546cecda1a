# bash completion for chrun(1), loaded by bash-completion. chrunctl(1) prints the
# candidates; nothing that it prints is evaluated here.
_chrun() {
	local cur words cword
	_get_comp_words_by_ref -n =: cur words cword || return
	COMPREPLY=()

	# Readline replaces only what follows the last = or :.
	local cut=${cur%"${cur##*[=:]}"} line value files=() command=
	local typed=("${words[@]:1:cword-1}" "$cur")
	while IFS= read -r line; do
		case $line in
		:command\ *) command=${line#* } ;;
		:*) files=("${line%% *}" "${line#* }") ;;
		*)
			value=${line%%$'\t'*}
			COMPREPLY+=("${value#"$cut"}")
			;;
		esac
	done < <(chrunctl complete-chrun -- "${typed[@]//[\'\"\\]/}" 2>/dev/null)

	if [[ $command ]]; then
		# _command_offset counts the words as bash splits them, also at = and :.
		local i at=0
		for ((i = 0; i < command; i++)); do
			value=${COMP_WORDS[at++]}
			while [[ $value != "${words[i]}" ]] && ((at < COMP_CWORD)); do
				value+=${COMP_WORDS[at++]}
			done
		done
		_command_offset "$at"
	elif [[ ${files-} ]]; then
		cur=${cur#"${files[1]}"}
		case $files in
		:directories) _filedir -d ;;
		*) _filedir ;;
		esac
	fi
	if [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == */ ]]; then
		compopt -o nospace
	fi
} &&
	complete -F _chrun chrun
