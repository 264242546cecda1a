#compdef chrun
# zsh completion for chrun(1). chrunctl(1) prints the candidates;
# nothing that it prints is evaluated here.
local line value about files prefix ret=1
local -a typed whole open
(( CURRENT > 2 )) && typed=("${(@Q)words[2,CURRENT-1]}")
typed+=("${(Q)PREFIX}")

for line in "${(@f)$(chrunctl complete-chrun -- "${typed[@]}" 2>/dev/null)}"; do
	case $line in
	(':command '*)
		shift ${line#* } words
		(( CURRENT -= ${line#* } ))
		_normal
		return
		;;
	(:*) files=${line%% *} prefix=${line#* } ;;
	(?*)
		value=${line%%$'\t'*} about=${line#*$'\t'}
		line=${value//:/\\:}${about:+:$about}
		case $value in
		(*/) open+=("$line") ;;
		(*) whole+=("$line") ;;
		esac
		;;
	esac
done

_describe -t words chrun whole && ret=0
_describe -t words chrun open -S '' && ret=0
if [[ -n $files ]]; then
	compset -P "${(b)prefix}"
	case $files in
	(:directories) _files -/ && ret=0 ;;
	(*) _files && ret=0 ;;
	esac
fi
return ret
