import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run, waitForLock } from './process.js'

/** Debian's and Ubuntu's package of each server. */
export const debianPackages = { postgres: 'postgresql', nats: 'nats-server', redis: 'redis-server' }

/**
 * Of all that a server's package depends on, what its process really loads. Left out: maintenance scripts with Perl, and LLVM (half of the
 * download; `jit` is off), and libc, which must be the system's own.
 */
const NEEDED = /^(nats-server|redis-(server|tools)|postgresql-(client-)?\d+|lua-.+|lib(?!c6$|c-bin$|llvm|z3|perl|.*-perl$).+)$/

/** @typedef {keyof typeof debianPackages} Server */

/**
 * Downloads Debian packages of the given servers as any user and unpacks each into `<home>/servers/<server>`; installs nothing.
 * A killed run leaves nothing half done: apt checks what it finds, and an unpacked folder gets its name last.
 * @param {string} home the `.lockstep` folder
 * @param {Server[]} servers
 */
export async function fetchPackages(home, servers) {
  const folder = join(home, 'packages')
  mkdirSync(join(folder, 'lists', 'partial'), { recursive: true })
  mkdirSync(join(folder, 'cache', 'archives', 'partial'), { recursive: true })
  const lock = await waitForLock(join(folder, 'lock'))
  try {
    const missing = servers.filter((server) => !existsSync(join(home, 'servers', server)))
    if (missing.length === 0) return
    const apt = aptGet(folder)
    // A source of this system may be out of reach without being one that we need: that is told only if a package cannot be had.
    const warning = await apt(['update']).then(
      () => '',
      (error) => `\n${error.message}`,
    )
    for (const server of missing) {
      await fetchOne(home, server, apt).catch((error) => {
        throw new Error(`${error.message}${warning}`, { cause: error })
      })
    }
    for (const leftover of ['lists', 'cache', ...missing]) rmSync(join(folder, leftover), { recursive: true, force: true })
  } finally {
    lock.release()
  }
}

/**
 * apt-get with lists and cache of its own, so that it needs no rights and touches nothing of the system's.
 * @param {string} folder
 */
function aptGet(folder) {
  const conf = join(folder, 'apt.conf')
  const quoted = (/** @type {string} */ name) => JSON.stringify(join(folder, name))
  const lines = [
    `Dir::State::lists ${quoted('lists')};`,
    `Dir::Cache ${quoted('cache')};`,
    `Dir::Cache::archives ${quoted('cache/archives')};`,
    'APT::Sandbox::User "";',
    'APT::Install-Recommends "false";',
    'APT::Update::Error-Mode "any";',
    'Acquire::Languages "none";',
    'Acquire::Retries "3";',
    'Acquire::http::Timeout "20";',
    'Acquire::https::Timeout "20";',
    '#clear APT::Update::Post-Invoke;',
    '#clear APT::Update::Post-Invoke-Success;',
    '#clear Acquire::IndexTargets::deb::DEP-11;',
  ]
  writeFileSync(conf, `${lines.join('\n')}\n`)
  const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' }
  return (/** @type {string[]} */ args, cwd = folder) => run('apt-get', ['-c', conf, '-q', ...args], { env, cwd })
}

/**
 * @param {string} home
 * @param {Server} server
 * @param {ReturnType<typeof aptGet>} apt
 */
async function fetchOne(home, server, apt) {
  const uris = await apt(['install', '--yes', '--print-uris', debianPackages[server]])
  const names = [...uris.matchAll(/^'[^']+' ([^_\s]+)_\S+\.deb /gm)].map((match) => match[1] ?? '')
  const archives = join(home, 'packages', server)
  mkdirSync(archives, { recursive: true })
  await apt(['download', ...names.filter((name) => NEEDED.test(name))], archives)
  const unpacked = join(archives, 'unpacked')
  rmSync(unpacked, { recursive: true, force: true })
  for (const file of readdirSync(archives).filter((name) => name.endsWith('.deb')))
    await run('dpkg', ['-x', join(archives, file), unpacked])
  mkdirSync(join(home, 'servers'), { recursive: true })
  renameSync(unpacked, join(home, 'servers', server))
}
