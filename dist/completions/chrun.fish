# fish completion for chrun(1). chrunctl(1) prints the candidates;
# nothing that it prints is evaluated here.
function __chrun_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (chrunctl complete-chrun -- $words[2..] 2>/dev/null)
        if not string match -q ':*' -- $line
            echo -- $line
            continue
        end
        set -l prefix (string replace -r '^:\w+ ' '' -- $line)
        set -l value (string sub -s (math 1 + (string length -- "$prefix")) -- "$words[-1]")
        switch $line
            case ':command *'
                set -l command (string escape -- $words[(math $prefix + 1)..-2]) $words[-1]
                complete -C "$command"
            case ':directories *'
                string join \n -- "$prefix"(__fish_complete_directories "$value")
            case ':files *'
                # fish completes files for a command that it does not know.
                string join \n -- "$prefix"(complete -C "__chrun_unknown $value")
        end
    end
end

complete -c chrun -f -a '(__chrun_complete)'
