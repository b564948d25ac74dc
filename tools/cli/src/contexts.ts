import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import path from 'node:path'
import { CliError, exitCodes } from './errors.ts'

/** A server, and the key for it. */
export interface Context {
  url: string
  api_key: string
}

interface ContextsFile {
  current: string | null
  contexts: Record<string, Context>
}

type Environment = Readonly<Record<string, string | undefined>>

/** Keys lie in it: nobody else may read it. */
export function contextsFile(env: Environment): string {
  const config = env.XDG_CONFIG_HOME || path.join(env.HOME || homedir(), '.config')
  return env.LOCKSTEP_CONFIG || path.join(config, 'lockstep', 'contexts.json')
}

export function readContexts(file: string): ContextsFile {
  if (!existsSync(file)) return { current: null, contexts: {} }
  if (statSync(file).mode & 0o077)
    throw new CliError(`Others may read ${file}, which holds keys. Close it: chmod 600 ${file}`)
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ContextsFile
  } catch {
    throw new CliError(`${file} is broken. Delete it and log in again.`)
  }
}

/** Whole or not at all. */
export function writeContexts(file: string, contexts: ContextsFile): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
  const temporary = `${file}.${process.pid}`
  writeFileSync(temporary, `${JSON.stringify(contexts, null, 2)}\n`, { mode: 0o600 })
  chmodSync(temporary, 0o600)
  renameSync(temporary, file)
}

/** The context that is named, else the environment's, else the current one. */
export function chooseContext(env: Environment, named: string | undefined): Context {
  const { LOCKSTEP_API_URL: url, LOCKSTEP_API_KEY: api_key } = env
  if (!named && url && api_key) return { url, api_key }
  const { current, contexts } = readContexts(contextsFile(env))
  const name = named ?? current
  const known = Object.keys(contexts).join(', ') || 'none'
  if (name && !contexts[name])
    throw new CliError(`There is no context "${name}"; there are: ${known}`, exitCodes.usage)
  if (!name)
    throw new CliError(
      'Nobody is logged in. Log in: lockstep login --url URL, or set LOCKSTEP_API_URL and LOCKSTEP_API_KEY.',
      exitCodes.usage,
    )
  return contexts[name]!
}
