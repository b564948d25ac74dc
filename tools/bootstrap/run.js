import { spawn } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { locateServers } from '../../packages/servers/src/locate.js'
import { tied } from '../../packages/servers/src/process.js'
import { installPackages, nodePath } from './install.js'
import { complain, progress } from './terminal.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..')

/** What each command runs on Node 24, and whether it starts servers. @type {Record<string, { script: string, args?: string[], servers?: boolean, stdin?: boolean }>} */
const commands = {
  start: { script: 'tools/dev/start.ts', servers: true },
  test: { script: 'tools/dev/test.ts', servers: true },
  check: { script: 'tools/dev/check.ts' },
  audit: { script: 'tools/audit/main.ts' },
  'dead-letters': { script: 'tools/dev/dead-letters.ts' },
  faults: { script: 'test/faults/main.ts', servers: true },
  people: { script: 'tools/dev/people.ts' },
  secrets: { script: 'tools/dev/secrets.ts' },
  webhooks: { script: 'tools/dev/webhooks.ts' },
  race: { script: 'test/race/main.ts', servers: true },
  bench: { script: 'tools/bench/main.ts', servers: true },
  catalogue: { script: 'tools/catalogue/main.ts' },
  generate: { script: 'tools/dev/generate.ts' },
  proto: { script: 'tools/dev/check-proto.ts' },
  lockstep: { script: 'tools/cli/main.ts', stdin: true },
  openapi: { script: 'tools/dev/check-openapi.ts' },
  format: { script: 'node_modules/@biomejs/biome/bin/biome', args: ['check', '--write'] },
}

/** @param {string[]} argv */
async function main([name = '', ...args]) {
  const major = Number.parseInt(process.versions.node, 10)
  if (major < 20)
    throw new Error(
      `Lockstep needs Node 20 or newer to set itself up; this is Node ${process.versions.node}.`,
    )
  const command = commands[name]
  if (!command)
    throw new Error(`Unknown command "${name}". There are: ${Object.keys(commands).join(', ')}.`)
  await installPackages(root)
  if (command.servers) await fetchServers()
  process.exitCode = await runOnNode24(
    [join(root, command.script), ...(command.args ?? []), ...args],
    command.stdin ? 'inherit' : 'ignore',
  )
}

/** Fetches now, in front of the person, what the command would otherwise fetch in silence. */
async function fetchServers() {
  const which = /** @type {const} */ (['postgres', 'nats', 'redis']).filter(
    (server) => !process.env[`LOCKSTEP_${server.toUpperCase()}_URL`],
  )
  /** @type {(line: string) => void} */
  let begun = () => {}
  const fetching = new Promise((/** @type {(line: string) => void} */ resolve) => {
    begun = resolve
  })
  const located = locateServers({ root, which, log: begun })
  const line = await Promise.race([fetching, located.then(() => undefined)])
  if (line) await progress(line, located)
}

/**
 * Runs a script and resolves with its exit code (128 + n when signal n ended it), as late as the script ends.
 * The script has a process group of its own: Ctrl-C, which the terminal and npm both send here, reaches it once.
 * @param {string[]} args
 * @param {'inherit' | 'ignore'} stdin
 * @returns {Promise<number>}
 */
function runOnNode24(args, stdin) {
  const node = realpathSync(nodePath(root))
  const PATH = [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter)
  const [command = node, ...rest] = tied('SIGTERM', [node, ...args])
  const child = spawn(command, rest, {
    cwd: root,
    detached: true,
    stdio: [stdin, 'inherit', 'inherit'],
    env: { ...process.env, PATH, NODE_COMPILE_CACHE: join(root, '.lockstep', 'compiled') },
  })
  let lastAt = 0
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      const isEcho = Date.now() - lastAt < 300
      lastAt = Date.now()
      if (!isEcho) child.kill(signal)
    })
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + constants.signals[signal ?? 'SIGTERM']),
    )
  })
}

main(process.argv.slice(2)).catch((error) => {
  complain(
    error.code === 'EACCES'
      ? `${error.message}\nIt belongs to another user: run this as that user, or delete it.`
      : error.message,
  )
  process.exitCode = 1
})
