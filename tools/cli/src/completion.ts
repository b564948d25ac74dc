import { Argument, type CommandUnknownOpts } from '@commander-js/extra-typings'
import type { Program } from './session.ts'

const scripts = {
  bash: `_lockstep() { local IFS=$'\\n'; COMPREPLY=($(lockstep __complete "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)); }
complete -o default -F _lockstep lockstep`,
  zsh: `_lockstep() { compadd -- \${(f)"$(lockstep __complete "\${(@)words[2,CURRENT]}" 2>/dev/null)"} || _files; }
compdef _lockstep lockstep`,
  fish: `complete -c lockstep -a '(lockstep __complete (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'`,
} as const

const shells = Object.keys(scripts) as (keyof typeof scripts)[]

export function addCompletion(program: Program): void {
  program
    .command('completion')
    .description(
      'Prints what your shell runs to complete commands: eval "$(lockstep completion bash)"',
    )
    .addArgument(new Argument('<shell>').choices(shells))
    .action((shell) => console.log(scripts[shell]))
}

/** What the last word may become, after those before it. */
export function completions(program: Program, words: readonly string[]): string[] {
  const last = words.at(-1) ?? ''
  let command = program as unknown as CommandUnknownOpts
  for (const word of words.slice(0, -1))
    command =
      command.commands.find((one) => one.name() === word || one.aliases().includes(word)) ?? command
  const options = [...command.options, ...program.options].map(({ long }) => long ?? '')
  const names = command.commands.map((one) => one.name())
  return [...names, ...(last.startsWith('-') ? options : [])].filter((name) =>
    name.startsWith(last),
  )
}
