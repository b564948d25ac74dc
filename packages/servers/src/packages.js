import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { waitForLock } from './files.js'
import { run } from './process.js'

/** Debian's and Ubuntu's package of each server. */
export const debianPackages = { postgres: 'postgresql', nats: 'nats-server', redis: 'redis-server' }

/**
 * Of all that a server's package depends on, what its process really loads. Left out: maintenance scripts with Perl, and LLVM (half of the
 * download; `jit` is off), and libc, which must be the system's own.
 */
const NEEDED =
  /^(nats-server|redis-(server|tools)|postgresql-(client-)?\d+|lua-.+|lib(?!c6$|c-bin$|llvm|z3|perl|.*-perl$).+)$/

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
      await fetchOne(home, server, { name: debianPackages[server], needed: NEEDED }, apt).catch(
        (error) => {
          throw new Error(`${error.message}${warning}`, { cause: error })
        },
      )
    }
    for (const leftover of ['lists', 'cache', ...missing])
      rmSync(join(folder, leftover), { recursive: true, force: true })
  } finally {
    lock.release()
  }
}

/**
 * apt-get with lists and cache of its own, so that it needs no rights and touches nothing of the system's.
 * @param {string} folder
 * @param {string[]} [more] further settings
 */
function aptGet(folder, more = []) {
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
    ...more,
  ]
  writeFileSync(conf, `${lines.join('\n')}\n`)
  const env = { ...process.env, LC_ALL: 'C', DEBIAN_FRONTEND: 'noninteractive' }
  return (/** @type {string[]} */ args, cwd = folder) =>
    run('apt-get', ['-c', conf, '-q', ...args], { env, cwd })
}

/** The release that has what a release lacks; any other has all. */
const newerReleases = /** @type {Record<string, string>} */ ({
  bullseye: 'trixie',
  bookworm: 'trixie',
  focal: 'noble',
  jammy: 'noble',
})

/**
 * Downloads a package and what it needs, C library included, from a newer release of this system where its own is too old, and
 * unpacks it into `<home>/servers/<name>`. Its programs run by the loader among it. Answers the folder.
 * @param {string} home the `.lockstep` folder
 * @param {string} name
 * @param {RegExp} needed which of the packages that it depends on its process loads
 */
export async function fetchFromNewerRelease(home, name, needed) {
  const target = join(home, 'servers', name)
  if (existsSync(target)) return target
  const folder = join(home, 'packages', `newer-${name}`)
  for (const part of ['lists/partial', 'cache/archives/partial'])
    mkdirSync(join(folder, part), { recursive: true })
  const lock = await waitForLock(join(folder, 'lock'))
  try {
    if (existsSync(target)) return target
    writeFileSync(join(folder, 'sources.list'), `${newerSource()}\n`)
    writeFileSync(join(folder, 'status'), '') // nothing is installed there
    const quoted = (/** @type {string} */ file) => JSON.stringify(join(folder, file))
    const apt = aptGet(folder, [
      `Dir::State::status ${quoted('status')};`,
      `Dir::Etc::sourcelist ${quoted('sources.list')};`,
      'Dir::Etc::sourceparts "-";',
    ])
    await apt(['update'])
    await fetchOne(home, name, { name, needed }, apt)
    for (const leftover of ['lists', 'cache', join('..', name)])
      rmSync(join(folder, leftover), { recursive: true, force: true })
    return target
  } finally {
    lock.release()
  }
}

/** A line for apt like that of this system's own release, for the newer one. */
function newerSource() {
  const release =
    /^VERSION_CODENAME=(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? ''
  const newer = newerReleases[release] ?? release
  for (const block of aptSources()) {
    const field = (/** @type {string} */ name) =>
      new RegExp(`^${name}:[ \\t]*(.+)$`, 'm').exec(block)?.[1]?.trim() ?? ''
    if (!field('Suites').split(/\s+/).includes(release)) continue
    const key = field('Signed-By')
    return `deb ${key.startsWith('/') ? `[signed-by=${key}] ` : ''}${field('URIs').split(/\s+/)[0]} ${newer} ${field('Components')}`
  }
  throw new Error(
    `No source of packages for the release "${release}" of this system was found in /etc/apt`,
  )
}

/** Every source that apt knows, as blocks of fields; a line of the older form becomes such a block. */
function aptSources() {
  const parts = '/etc/apt/sources.list.d'
  const files = [
    '/etc/apt/sources.list',
    ...(existsSync(parts) ? readdirSync(parts).map((file) => join(parts, file)) : []),
  ]
  return files
    .filter((file) => existsSync(file))
    .flatMap((file) => {
      const text = readFileSync(file, 'utf8')
      if (file.endsWith('.sources')) return text.split(/\n\s*\n/)
      return [...text.matchAll(/^deb +(?:\[[^\]]*\] +)?(\S+) +(\S+) +(.+)$/gm)].map(
        ([, uri, suite, components]) => `URIs: ${uri}\nSuites: ${suite}\nComponents: ${components}`,
      )
    })
}

/**
 * @param {string} home
 * @param {string} server
 * @param {{ name: string, needed: RegExp }} wanted
 * @param {ReturnType<typeof aptGet>} apt
 */
async function fetchOne(home, server, wanted, apt) {
  const uris = await apt(['install', '--yes', '--print-uris', wanted.name])
  const names = [...uris.matchAll(/^'[^']+' ([^_\s]+)_\S+\.deb /gm)].map((match) => match[1] ?? '')
  const archives = join(home, 'packages', server)
  mkdirSync(archives, { recursive: true })
  await apt(['download', ...names.filter((name) => wanted.needed.test(name))], archives)
  const unpacked = join(archives, 'unpacked')
  rmSync(unpacked, { recursive: true, force: true })
  for (const file of readdirSync(archives).filter((name) => name.endsWith('.deb')))
    await run('dpkg', ['-x', join(archives, file), unpacked])
  mkdirSync(join(home, 'servers'), { recursive: true })
  renameSync(unpacked, join(home, 'servers', server))
}
