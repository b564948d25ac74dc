import { text } from 'node:stream/consumers'
import { ApiError, createClient } from '@lockstep/client'
import { contextsFile, readContexts, writeContexts } from '../contexts.ts'
import { CliError, exitCodes } from '../errors.ts'
import { createOutput } from '../output.ts'
import { each, type Program } from '../session.ts'

export function addLogin(program: Program): void {
  program
    .command('login')
    .description('Keeps an API key for a server; asks for it, or reads it from stdin')
    .requiredOption('--url <url>', 'where the API is')
    .option('--name <name>', 'what to call it; the host by default')
    .action(async ({ url, name = hostOf(url) }) => {
      const api_key = await readKey()
      await tryKey(url, api_key)
      const file = contextsFile(process.env)
      const { contexts } = readContexts(file)
      writeContexts(file, { current: name, contexts: { ...contexts, [name]: { url, api_key } } })
      createOutput(program.opts().json ?? false).line(
        { context: name, url },
        `Logged in to ${url} as "${name}"`,
      )
    })
  program
    .command('logout')
    .description('Forgets the key of a context')
    .argument('[name]', 'the current one by default')
    .action((name) => {
      const file = contextsFile(process.env)
      const { current, contexts } = readContexts(file)
      const gone = name ?? current
      if (!gone || !contexts[gone])
        throw new CliError(`There is no context "${gone ?? ''}"`, exitCodes.usage)
      const { [gone]: _, ...left } = contexts
      writeContexts(file, { current: current === gone ? null : current, contexts: left })
    })
  addContexts(program)
}

function addContexts(program: Program): void {
  program
    .command('contexts')
    .description('Lists the servers that you are logged in to')
    .action(async () => {
      const { current, contexts } = readContexts(contextsFile(process.env))
      const rows = Object.entries(contexts).map(([name, { url }]) => ({
        name,
        url,
        current: name === current,
      }))
      await createOutput(program.opts().json ?? false).many(each(rows), [
        ['', (row) => (row.current ? '*' : '')],
        ['name', (row) => row.name],
        ['url', (row) => row.url],
      ])
    })
  program
    .command('use')
    .description('Makes a context the current one')
    .argument('<name>')
    .action((name) => {
      const file = contextsFile(process.env)
      const { contexts } = readContexts(file)
      if (!contexts[name]) throw new CliError(`There is no context "${name}"`, exitCodes.usage)
      writeContexts(file, { current: name, contexts })
    })
}

function hostOf(url: string): string {
  if (!URL.canParse(url)) throw new CliError(`"${url}" is no URL`, exitCodes.usage)
  return new URL(url).host
}

/** Never from the command line, which others on the machine can read. */
async function readKey(): Promise<string> {
  if (!process.stdin.isTTY) return (await text(process.stdin)).trim()
  // Only a person waits for its code.
  const { isCancel, password } = await import('@clack/prompts')
  const given = await password({ message: 'API key' })
  if (isCancel(given)) throw new CliError('Nothing was changed', exitCodes.usage)
  return given.trim()
}

/** A key that only lacks the right to look at campaigns is a good one. */
async function tryKey(url: string, apiKey: string): Promise<void> {
  if (apiKey === '') throw new CliError('No key was given', exitCodes.usage)
  await createClient({ url, apiKey })
    .listCampaigns()
    .catch((error: unknown) => {
      if (!(error instanceof ApiError && error.status === 403)) throw error
    })
}
