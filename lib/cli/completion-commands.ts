/** `fairlead completion bash|zsh|fish`: what makes a shell complete our commands, also those of netctl, a link to us. */
import { FairleadError } from '../errors.ts';
import type { CommandRow } from './command.ts';
import { completionWord } from './completion.ts';

const scripts: Readonly<Record<string, string>> = {
  bash: `# fairlead and netctl for bash: source it, or put it into /etc/bash_completion.d/fairlead
_fairlead() {
  mapfile -t COMPREPLY < <(fairlead ${completionWord} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _fairlead fairlead
_netctl() {
  mapfile -t COMPREPLY < <(fairlead ${completionWord} netctl "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _netctl netctl
`,
  zsh: `#compdef fairlead netctl
# fairlead and netctl for zsh: source it, or put it as _fairlead into a directory of $fpath
_fairlead() {
  local -a asked found
  asked=("\${(@)words[2,CURRENT]}")
  [[ \${words[1]:t} != netctl ]] || asked=(netctl "\${(@)asked}")
  found=("\${(@f)$(fairlead ${completionWord} "\${(@)asked}" 2>/dev/null)}")
  if (( \${#found[1]} )); then compadd -a found; else _files; fi
}
if [[ \${funcstack[1]} == _fairlead ]]; then _fairlead; else compdef _fairlead fairlead netctl; fi
`,
  fish: `# fairlead and netctl for fish: put it into ~/.config/fish/completions, as fairlead.fish and as netctl.fish
function __fairlead_complete
  set -l found (fairlead ${completionWord} $argv (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null)
  if count $found >/dev/null
    printf '%s\\n' $found
  else
    __fish_complete_path (commandline -ct)
  end
end
complete -c fairlead -f -a '(__fairlead_complete)'
complete -c netctl -f -a '(__fairlead_complete netctl)'
`,
};

/** The command. */
export const completionCommand: CommandRow = {
  name: 'completion',
  summary: 'print what makes a shell complete commands, flags and names',
  notes: `What it prints is for fairlead and for netctl. Names are asked of the agent, for at most a second; for netctl,
not where NETMASTER or --netmaster names another server.

Examples:
  source <(fairlead completion bash)
  fairlead completion fish > ~/.config/fish/completions/fairlead.fish`,
  operands: [{ name: 'SHELL', summary: Object.keys(scripts).join(', ') }],
  options: [],
  async run({ sources, writeOut }) {
    const shell = sources.operands['SHELL'] ?? '';
    const script = Object.hasOwn(scripts, shell) ? scripts[shell] : undefined;
    if (script === undefined) {
      throw new FairleadError(
        'USAGE',
        `there is no completion for ${JSON.stringify(shell.slice(0, 64))}`,
        {
          fix: `choose one of ${Object.keys(scripts).join(', ')}`,
        },
      );
    }
    writeOut(script);
  },
};
