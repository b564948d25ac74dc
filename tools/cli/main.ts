#!/usr/bin/env node
import { styleText } from 'node:util'
import { CommanderError } from 'commander'
import { completions } from './src/completion.ts'
import { describeError, errorJson, exitCodeOf } from './src/errors.ts'
import { createProgram } from './src/program.ts'

/** A reader that has seen enough, such as `head`, is no failure. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit(0)
})
process.on('SIGINT', () => process.exit(130))

async function main(words: readonly string[]): Promise<void> {
  const program = createProgram()
  if (words[0] === '__complete') return console.log(completions(program, words.slice(1)).join('\n'))
  try {
    await program.parseAsync(words, { from: 'user' })
  } catch (error) {
    process.exitCode = exitCodeOf(error)
    // Commander has said it already.
    if (error instanceof CommanderError) return
    if (program.opts().json) console.error(JSON.stringify({ error: errorJson(error) }))
    else
      for (const line of describeError(error))
        console.error(styleText('red', line, { stream: process.stderr }))
  }
}

await main(process.argv.slice(2))
