# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_patchctl_global_optspecs
    string join \n i/inventory= l/limit= output= color= q/quiet v/verbose state-dir= config= h/help V/version
end

function __fish_patchctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_patchctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_patchctl_using_subcommand
    set -l cmd (__fish_patchctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c patchctl -n "__fish_patchctl_needs_command" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_needs_command" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_needs_command" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_needs_command" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_needs_command" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_needs_command" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_needs_command" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_needs_command" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_needs_command" -s V -l version -d 'Print version'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "new" -d 'Write a plan, asking for what it needs'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "run" -d 'Patch stage by stage, ask, promote or roll back'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "plan" -d 'Show each host\'s exact transaction, and change nothing'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "check" -d 'Validate plan, inventory, policy and playbooks without contacting a host'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "runs" -d 'List the runs, newest first'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "status" -d 'Show a run, live or finished; by default the latest'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "approve" -d 'Approve the gate that a run waits at'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "reject" -d 'Reject the gate that a run waits at: what it patched goes back'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "resume" -d 'Go on with a paused, interrupted or crashed run'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "pause" -d 'Stop a run at the next safe point; `resume` goes on with it'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "cancel" -d 'Stop a run, and roll back what nobody has approved yet'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "rollback" -d 'Undo a finished run, or a part of it'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "recover" -d 'Ask a lost host what became of it, and finish or restore it'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "release" -d 'Give a host up, and clear the run\'s claim on it (replaced hardware)'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "report" -d 'Show a finished run\'s result again'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "audit" -d 'Prove that the records of runs are whole and unaltered, or hand them to an auditor'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "inventory" -d 'Look at the inventory, and at who answers'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "drill" -d 'Patch the first stage and take it back on purpose, to prove the way back'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "drift" -d 'See who differs from what the last approved run left'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "playbook" -d 'Look at the playbooks that are known here'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "policy" -d 'See which rules hold for a plan'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "demo" -d 'Try it all on an embedded fleet: no hosts, no root, no set-up'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "completions" -d 'Print the shell\'s completions'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "man" -d 'Write the manual pages into a folder'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "schema" -d 'Print the JSON schema of a file or document'
complete -c patchctl -n "__fish_patchctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -l uat -d 'The hosts to patch first; with --prod and --packages nothing is asked' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -l prod -d 'The hosts to patch after the approval' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -l packages -d 'What to patch: `a,b=1.2` or lines of `apt list --upgradable` (repeatable)' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -l policy -d 'A policy that holds beside /etc/patchctl/policy.toml, and can only narrow it' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -s u -l user -d 'Log in as this user' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -l private-key -d 'Log in with this key' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -s f -l forks -d 'At most so many hosts at a time; never raises a stage\'s `parallel`' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -l change -d 'The change, over the plan\'s' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -s k -l ask-pass -d 'Ask for the login password'
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -s K -l ask-become-pass -d 'Ask for the password for becoming root'
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand new" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l preapproval -d 'Gates that this file covers are approved by who signed it, in FILE.sig' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l policy -d 'A policy that holds beside /etc/patchctl/policy.toml, and can only narrow it' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l approve -d 'Approve this stage\'s gate, or `all` (repeatable; needs --reason)' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l reason -d 'Why, for the record' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l on-gate -d 'What an undecided gate does without a terminal [default: pause]' -r -f -a "pause\t'The run pauses, with exit code 3'
reject\t'The gate rejects'"
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l wait -d 'How long to wait here for a window before pausing [default: 1h]' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -s u -l user -d 'Log in as this user' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l private-key -d 'Log in with this key' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -s f -l forks -d 'At most so many hosts at a time; never raises a stage\'s `parallel`' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l change -d 'The change, over the plan\'s' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -s C -l check -d 'Change nothing: the same as `patchctl plan`'
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -s y -l yes -d 'Do not ask before the first change'
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l non-interactive -d 'Never ask anything; a gate that nobody decided pauses'
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -l emergency -d 'An emergency: passes what the policy lets it pass, is recorded, and somebody must review it (needs --reason)'
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -s k -l ask-pass -d 'Ask for the login password'
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -s K -l ask-become-pass -d 'Ask for the password for becoming root'
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -s o -l out -d 'Keep the result in this file' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -l policy -d 'A policy that holds beside /etc/patchctl/policy.toml, and can only narrow it' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -s u -l user -d 'Log in as this user' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -l private-key -d 'Log in with this key' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -s f -l forks -d 'At most so many hosts at a time; never raises a stage\'s `parallel`' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -l change -d 'The change, over the plan\'s' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -l no-refresh -d 'Do not refresh the package indexes either'
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -s k -l ask-pass -d 'Ask for the login password'
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -s K -l ask-become-pass -d 'Ask for the password for becoming root'
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand plan" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand check" -l policy -d 'A policy that holds beside /etc/patchctl/policy.toml, and can only narrow it' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand check" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand check" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand check" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand check" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand check" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand check" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand check" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand check" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand runs" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand runs" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand runs" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand runs" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand runs" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand runs" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand runs" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand runs" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand runs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand status" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand status" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand status" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand status" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand status" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand status" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand status" -l exit-code -d 'End with the run\'s exit code'
complete -c patchctl -n "__fish_patchctl_using_subcommand status" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand status" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -l reason -d 'Why, for the record; asked for on a terminal' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -l stage -d 'The stage, where several gates wait' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -l digest -d 'The digest that is decided on, or its first 8 digits or more; `approve` needs it without a terminal' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -l sign -d 'Sign the decision: a key file, or the .pub of a key in the SSH agent. With an exported FILE in place of RUN, only FILE.sig is made, for --import on the run\'s machine' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -l export -d 'Record nothing, and write what is to be signed into this file, for somebody who has no access to the run: `ssh-keygen -Y sign -n approval.patchctl -f KEY FILE` signs it' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -l import -d 'Record the decision in this exported file, as signed in FILE.sig' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -s u -l user -d 'Log in as this user' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -l private-key -d 'Log in with this key' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -s f -l forks -d 'At most so many hosts at a time; never raises a stage\'s `parallel`' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -l change -d 'The change, over the plan\'s' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -l resume -d 'Drive the run on from here'
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -s y -l yes -d 'Do not ask whether you are sure'
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -s k -l ask-pass -d 'Ask for the login password'
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -s K -l ask-become-pass -d 'Ask for the password for becoming root'
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand approve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -l reason -d 'Why, for the record; asked for on a terminal' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -l stage -d 'The stage, where several gates wait' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -l digest -d 'The digest that is decided on, or its first 8 digits or more; `approve` needs it without a terminal' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -l sign -d 'Sign the decision: a key file, or the .pub of a key in the SSH agent. With an exported FILE in place of RUN, only FILE.sig is made, for --import on the run\'s machine' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -l export -d 'Record nothing, and write what is to be signed into this file, for somebody who has no access to the run: `ssh-keygen -Y sign -n approval.patchctl -f KEY FILE` signs it' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -l import -d 'Record the decision in this exported file, as signed in FILE.sig' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -s u -l user -d 'Log in as this user' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -l private-key -d 'Log in with this key' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -s f -l forks -d 'At most so many hosts at a time; never raises a stage\'s `parallel`' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -l change -d 'The change, over the plan\'s' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -l resume -d 'Drive the run on from here'
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -s y -l yes -d 'Do not ask whether you are sure'
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -s k -l ask-pass -d 'Ask for the login password'
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -s K -l ask-become-pass -d 'Ask for the password for becoming root'
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand reject" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l preapproval -d 'Gates that this file covers are approved by who signed it, in FILE.sig' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l approve -d 'Approve this stage\'s gate, or `all` (repeatable; needs --reason)' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l reason -d 'Why, for the record' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l on-gate -d 'What an undecided gate does without a terminal [default: pause]' -r -f -a "pause\t'The run pauses, with exit code 3'
reject\t'The gate rejects'"
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l wait -d 'How long to wait here for a window before pausing [default: 1h]' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -s u -l user -d 'Log in as this user' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l private-key -d 'Log in with this key' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -s f -l forks -d 'At most so many hosts at a time; never raises a stage\'s `parallel`' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l change -d 'The change, over the plan\'s' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l due -d 'Every run whose time has come (for cron: nothing due prints nothing and ends 0)'
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l failed -d 'Try the hosts again that failed or were not reached'
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -s y -l yes -d 'Do not ask before the first change'
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l non-interactive -d 'Never ask anything; a gate that nobody decided pauses'
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -l emergency -d 'An emergency: passes what the policy lets it pass, is recorded, and somebody must review it (needs --reason)'
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -s k -l ask-pass -d 'Ask for the login password'
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -s K -l ask-become-pass -d 'Ask for the password for becoming root'
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand resume" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand pause" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand pause" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand pause" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand pause" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand pause" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand pause" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand pause" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand pause" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand pause" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -l reason -d 'Why, for the record; asked for on a terminal' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -s u -l user -d 'Log in as this user' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -l private-key -d 'Log in with this key' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -s f -l forks -d 'At most so many hosts at a time; never raises a stage\'s `parallel`' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -l change -d 'The change, over the plan\'s' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -s y -l yes -d 'Do not ask whether you are sure'
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -s k -l ask-pass -d 'Ask for the login password'
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -s K -l ask-become-pass -d 'Ask for the password for becoming root'
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand cancel" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l stage -d 'Only this stage (repeatable)' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l packages -d 'Only the packages that this glob names (repeatable)' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l approve -d 'Approve this stage\'s gate, or `all` (repeatable; needs --reason)' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l reason -d 'Why, for the record' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l on-gate -d 'What an undecided gate does without a terminal [default: pause]' -r -f -a "pause\t'The run pauses, with exit code 3'
reject\t'The gate rejects'"
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l wait -d 'How long to wait here for a window before pausing [default: 1h]' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -s u -l user -d 'Log in as this user' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l private-key -d 'Log in with this key' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -s f -l forks -d 'At most so many hosts at a time; never raises a stage\'s `parallel`' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l change -d 'The change, over the plan\'s' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l dry-run -d 'Show what would go back, and change nothing'
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -s y -l yes -d 'Do not ask before the first change'
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l non-interactive -d 'Never ask anything; a gate that nobody decided pauses'
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -l emergency -d 'An emergency: passes what the policy lets it pass, is recorded, and somebody must review it (needs --reason)'
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -s k -l ask-pass -d 'Ask for the login password'
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -s K -l ask-become-pass -d 'Ask for the password for becoming root'
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand rollback" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -l approve -d 'Approve this stage\'s gate, or `all` (repeatable; needs --reason)' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -l reason -d 'Why, for the record' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -l on-gate -d 'What an undecided gate does without a terminal [default: pause]' -r -f -a "pause\t'The run pauses, with exit code 3'
reject\t'The gate rejects'"
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -l wait -d 'How long to wait here for a window before pausing [default: 1h]' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -s u -l user -d 'Log in as this user' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -l private-key -d 'Log in with this key' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -s f -l forks -d 'At most so many hosts at a time; never raises a stage\'s `parallel`' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -l change -d 'The change, over the plan\'s' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -s y -l yes -d 'Do not ask before the first change'
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -l non-interactive -d 'Never ask anything; a gate that nobody decided pauses'
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -l emergency -d 'An emergency: passes what the policy lets it pass, is recorded, and somebody must review it (needs --reason)'
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -s k -l ask-pass -d 'Ask for the login password'
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -s K -l ask-become-pass -d 'Ask for the password for becoming root'
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand recover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -l reason -d 'Why, for the record' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -s u -l user -d 'Log in as this user' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -l private-key -d 'Log in with this key' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -s f -l forks -d 'At most so many hosts at a time; never raises a stage\'s `parallel`' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -l change -d 'The change, over the plan\'s' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -s y -l yes -d 'Do not ask whether you are sure'
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -s k -l ask-pass -d 'Ask for the login password'
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -s K -l ask-become-pass -d 'Ask for the password for becoming root'
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand release" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand report" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand report" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand report" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand report" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand report" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand report" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand report" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand report" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand report" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and not __fish_seen_subcommand_from verify review export help" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and not __fish_seen_subcommand_from verify review export help" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and not __fish_seen_subcommand_from verify review export help" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and not __fish_seen_subcommand_from verify review export help" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and not __fish_seen_subcommand_from verify review export help" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and not __fish_seen_subcommand_from verify review export help" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and not __fish_seen_subcommand_from verify review export help" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and not __fish_seen_subcommand_from verify review export help" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and not __fish_seen_subcommand_from verify review export help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and not __fish_seen_subcommand_from verify review export help" -f -a "verify" -d 'Prove that records are whole and unaltered'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and not __fish_seen_subcommand_from verify review export help" -f -a "review" -d 'Say that you have looked at an emergency, once its run is over'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and not __fish_seen_subcommand_from verify review export help" -f -a "export" -d 'Hand the records of runs to an auditor: one folder, with a report and everything that proves it'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and not __fish_seen_subcommand_from verify review export help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l anchors -d 'Compare with what was left outside: lines of the system\'s log, or witness files of hosts (`-`: standard input)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l export -d 'The records in a folder that `audit export` made, instead of those of this machine' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from review" -l reason -d 'What you say to it, for the record' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from review" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from review" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from review" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from review" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from review" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from review" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from review" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from review" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from review" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from export" -l since -d 'All runs that started at this moment or later: RFC 3339, or a day in UTC (`2026-11-01`)' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from export" -l until -d 'All runs that started before this moment; a day is included' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from export" -s o -l out -d 'The folder; it must not be there yet, or be empty' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from export" -l anchors -d 'Compare with what was left outside, too: lines of the system\'s log, or witness files of hosts (`-`: standard input)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from export" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from export" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from export" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from export" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from export" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from export" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from export" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from export" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Prove that records are whole and unaltered'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "review" -d 'Say that you have looked at an emergency, once its run is over'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "export" -d 'Hand the records of runs to an auditor: one folder, with a report and everything that proves it'
complete -c patchctl -n "__fish_patchctl_using_subcommand audit; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and not __fish_seen_subcommand_from list ping help" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and not __fish_seen_subcommand_from list ping help" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and not __fish_seen_subcommand_from list ping help" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and not __fish_seen_subcommand_from list ping help" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and not __fish_seen_subcommand_from list ping help" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and not __fish_seen_subcommand_from list ping help" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and not __fish_seen_subcommand_from list ping help" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and not __fish_seen_subcommand_from list ping help" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and not __fish_seen_subcommand_from list ping help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and not __fish_seen_subcommand_from list ping help" -f -a "list" -d 'What is in the inventory; `--output json` prints what `ansible-inventory --list` prints'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and not __fish_seen_subcommand_from list ping help" -f -a "ping" -d 'Who answers over SSH'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and not __fish_seen_subcommand_from list ping help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from list" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from list" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from list" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from list" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from list" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from list" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -s u -l user -d 'Log in as this user' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -l private-key -d 'Log in with this key' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -s f -l forks -d 'At most so many hosts at a time; never raises a stage\'s `parallel`' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -l change -d 'The change, over the plan\'s' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -l accept-new-host-keys -d 'Write the keys of hosts that are not known yet into known_hosts'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -s k -l ask-pass -d 'Ask for the login password'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -s K -l ask-become-pass -d 'Ask for the password for becoming root'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from ping" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from help" -f -a "list" -d 'What is in the inventory; `--output json` prints what `ansible-inventory --list` prints'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from help" -f -a "ping" -d 'Who answers over SSH'
complete -c patchctl -n "__fish_patchctl_using_subcommand inventory; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -l wait -d 'How long to wait here for a window before pausing [default: 1h]' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -l policy -d 'A policy that holds beside /etc/patchctl/policy.toml, and can only narrow it' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -s u -l user -d 'Log in as this user' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -l private-key -d 'Log in with this key' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -s f -l forks -d 'At most so many hosts at a time; never raises a stage\'s `parallel`' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -l change -d 'The change, over the plan\'s' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -s y -l yes -d 'Do not ask before the first change'
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -l non-interactive -d 'Never ask anything'
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -s k -l ask-pass -d 'Ask for the login password'
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -s K -l ask-become-pass -d 'Ask for the password for becoming root'
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand drill" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -s u -l user -d 'Log in as this user' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -l private-key -d 'Log in with this key' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -s f -l forks -d 'At most so many hosts at a time; never raises a stage\'s `parallel`' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -l change -d 'The change, over the plan\'s' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -s k -l ask-pass -d 'Ask for the login password'
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -s K -l ask-become-pass -d 'Ask for the password for becoming root'
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand drift" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and not __fish_seen_subcommand_from list show help" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and not __fish_seen_subcommand_from list show help" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and not __fish_seen_subcommand_from list show help" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and not __fish_seen_subcommand_from list show help" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and not __fish_seen_subcommand_from list show help" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and not __fish_seen_subcommand_from list show help" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and not __fish_seen_subcommand_from list show help" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and not __fish_seen_subcommand_from list show help" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and not __fish_seen_subcommand_from list show help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and not __fish_seen_subcommand_from list show help" -f -a "list" -d 'The playbooks that are known here'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and not __fish_seen_subcommand_from list show help" -f -a "show" -d 'One playbook: its steps and what it needs'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and not __fish_seen_subcommand_from list show help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from list" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from list" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from list" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from list" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from list" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from list" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from show" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from show" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from show" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from show" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from show" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from show" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from help" -f -a "list" -d 'The playbooks that are known here'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from help" -f -a "show" -d 'One playbook: its steps and what it needs'
complete -c patchctl -n "__fish_patchctl_using_subcommand playbook; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and not __fish_seen_subcommand_from test help" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and not __fish_seen_subcommand_from test help" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and not __fish_seen_subcommand_from test help" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and not __fish_seen_subcommand_from test help" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and not __fish_seen_subcommand_from test help" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and not __fish_seen_subcommand_from test help" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and not __fish_seen_subcommand_from test help" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and not __fish_seen_subcommand_from test help" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and not __fish_seen_subcommand_from test help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and not __fish_seen_subcommand_from test help" -f -a "test" -d 'Which rules apply to a plan, and why; contacts no host'
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and not __fish_seen_subcommand_from test help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and __fish_seen_subcommand_from test" -l policy -d 'A policy that holds beside /etc/patchctl/policy.toml, and can only narrow it' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and __fish_seen_subcommand_from test" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and __fish_seen_subcommand_from test" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and __fish_seen_subcommand_from test" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and __fish_seen_subcommand_from test" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and __fish_seen_subcommand_from test" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and __fish_seen_subcommand_from test" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and __fish_seen_subcommand_from test" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and __fish_seen_subcommand_from test" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and __fish_seen_subcommand_from test" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "test" -d 'Which rules apply to a plan, and why; contacts no host'
complete -c patchctl -n "__fish_patchctl_using_subcommand policy; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c patchctl -n "__fish_patchctl_using_subcommand demo" -l fail -d 'Let this host\'s patch fail, to see the rollback' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand demo" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand demo" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand demo" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand demo" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand demo" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand demo" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand demo" -l reject -d 'Reject at the gate, to see the rollback'
complete -c patchctl -n "__fish_patchctl_using_subcommand demo" -l approve -d 'Approve every gate without asking'
complete -c patchctl -n "__fish_patchctl_using_subcommand demo" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand demo" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand demo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand completions" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand completions" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand completions" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand completions" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand completions" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand completions" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand completions" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand completions" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand man" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand man" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand man" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand man" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand man" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand man" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand man" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand man" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand schema" -s i -l inventory -d 'An inventory: a TOML file, or `host1,host2,` (repeatable)' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand schema" -s l -l limit -d 'Only these hosts: a pattern as in Ansible' -r
complete -c patchctl -n "__fish_patchctl_using_subcommand schema" -l output -d 'How results are printed [default: table]' -r -f -a "table\t'For people'
json\t'One JSON document'
jsonl\t'One event a line, the document last'
markdown\t'A report for auditors, as Markdown (`report` alone)'
html\t'The same as HTML'"
complete -c patchctl -n "__fish_patchctl_using_subcommand schema" -l color -d 'Colours [default: auto]' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c patchctl -n "__fish_patchctl_using_subcommand schema" -l state-dir -d 'Where runs are kept' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand schema" -l config -d 'The configuration, instead of /etc/patchctl/config.toml and ~/.config/patchctl/config.toml' -r -F
complete -c patchctl -n "__fish_patchctl_using_subcommand schema" -s q -l quiet -d 'Print results and errors only'
complete -c patchctl -n "__fish_patchctl_using_subcommand schema" -s v -l verbose -d 'Say more (repeatable)'
complete -c patchctl -n "__fish_patchctl_using_subcommand schema" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "new" -d 'Write a plan, asking for what it needs'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "run" -d 'Patch stage by stage, ask, promote or roll back'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "plan" -d 'Show each host\'s exact transaction, and change nothing'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "check" -d 'Validate plan, inventory, policy and playbooks without contacting a host'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "runs" -d 'List the runs, newest first'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "status" -d 'Show a run, live or finished; by default the latest'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "approve" -d 'Approve the gate that a run waits at'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "reject" -d 'Reject the gate that a run waits at: what it patched goes back'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "resume" -d 'Go on with a paused, interrupted or crashed run'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "pause" -d 'Stop a run at the next safe point; `resume` goes on with it'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "cancel" -d 'Stop a run, and roll back what nobody has approved yet'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "rollback" -d 'Undo a finished run, or a part of it'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "recover" -d 'Ask a lost host what became of it, and finish or restore it'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "release" -d 'Give a host up, and clear the run\'s claim on it (replaced hardware)'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "report" -d 'Show a finished run\'s result again'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "audit" -d 'Prove that the records of runs are whole and unaltered, or hand them to an auditor'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "inventory" -d 'Look at the inventory, and at who answers'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "drill" -d 'Patch the first stage and take it back on purpose, to prove the way back'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "drift" -d 'See who differs from what the last approved run left'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "playbook" -d 'Look at the playbooks that are known here'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "policy" -d 'See which rules hold for a plan'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "demo" -d 'Try it all on an embedded fleet: no hosts, no root, no set-up'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "completions" -d 'Print the shell\'s completions'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "man" -d 'Write the manual pages into a folder'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "schema" -d 'Print the JSON schema of a file or document'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and not __fish_seen_subcommand_from new run plan check runs status approve reject resume pause cancel rollback recover release report audit inventory drill drift playbook policy demo completions man schema help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "verify" -d 'Prove that records are whole and unaltered'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "review" -d 'Say that you have looked at an emergency, once its run is over'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and __fish_seen_subcommand_from audit" -f -a "export" -d 'Hand the records of runs to an auditor: one folder, with a report and everything that proves it'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and __fish_seen_subcommand_from inventory" -f -a "list" -d 'What is in the inventory; `--output json` prints what `ansible-inventory --list` prints'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and __fish_seen_subcommand_from inventory" -f -a "ping" -d 'Who answers over SSH'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and __fish_seen_subcommand_from playbook" -f -a "list" -d 'The playbooks that are known here'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and __fish_seen_subcommand_from playbook" -f -a "show" -d 'One playbook: its steps and what it needs'
complete -c patchctl -n "__fish_patchctl_using_subcommand help; and __fish_seen_subcommand_from policy" -f -a "test" -d 'Which rules apply to a plan, and why; contacts no host'
