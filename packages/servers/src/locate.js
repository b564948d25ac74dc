import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { debianPackages, fetchPackages } from './packages.js'
import { onPath, run } from './process.js'

/** @typedef {import('./packages.js').Server} Server */
/** @typedef {{ postgresBin: string, natsServer: string, redisServer: string, env: Record<string, string> }} Located */

const names = { postgres: 'PostgreSQL', nats: 'NATS', redis: 'Redis' }
const postgresPrograms = ['postgres', 'initdb', 'pg_ctl']

/** Where each server's program is on this system, or below a folder with unpacked packages. A folder for PostgreSQL, a file for the others. */
const finders = {
  postgres: (root = '') =>
    [
      ...(root ? [] : [pathOfPostgres()]),
      ...newestPostgres(join(root || '/', 'usr/lib/postgresql')),
    ].find(hasPostgres),
  nats: (root = '') =>
    root ? below(root, 'nats-server') : process.env.LOCKSTEP_NATS_SERVER || onPath('nats-server'),
  redis: (root = '') => (root ? below(root, 'redis-server') : onPath('redis-server')),
}

/**
 * Finds the programs of PostgreSQL, NATS and Redis; those that this system lacks are fetched into `<root>/.lockstep/servers` without installing anything.
 * The environment variable LOCKSTEP_NATS_SERVER may name another nats-server. Throws an error that says what to install when nothing helps.
 * @param {{ root: string, which?: Server[], log?: (line: string) => void }} options
 * @returns {Promise<Located>} paths of servers that were not asked for are ''
 */
export async function locateServers({
  root,
  which = ['postgres', 'nats', 'redis'],
  log = () => {},
}) {
  const home = join(root, '.lockstep')
  const local = (/** @type {Server} */ server) => finders[server](join(home, 'servers', server))
  const missing = which.filter((server) => !finders[server]() && !local(server))
  if (missing.length > 0) await fetch(home, missing, log)

  const fetched = which.filter((server) => !finders[server]())
  const path = (/** @type {Server} */ server) =>
    which.includes(server) ? (finders[server]() ?? local(server) ?? '') : ''
  const libraries = fetched.flatMap((server) => libraryFolders(join(home, 'servers', server)))
  /** @type {Record<string, string>} */
  const env = libraries.length > 0 ? { LD_LIBRARY_PATH: libraries.join(':') } : {}
  const located = {
    postgresBin: path('postgres'),
    natsServer: path('nats'),
    redisServer: path('redis'),
    env,
  }
  if (missing.length > 0) await checkLibraries(located, missing)
  return located
}

/**
 * @param {string} home
 * @param {Server[]} missing
 * @param {(line: string) => void} log
 */
async function fetch(home, missing, log) {
  if (!onPath('apt-get') || !onPath('dpkg')) throw new Error(whatToInstall(missing))
  log(`Fetching ${missing.map((server) => names[server]).join(', ')} into .lockstep`)
  try {
    await fetchPackages(home, missing)
  } catch (error) {
    throw new Error(
      `${whatToInstall(missing)}\nFetching them into .lockstep failed: ${/** @type {Error} */ (error).message}`,
      {
        cause: error,
      },
    )
  }
}

/** @param {Server[]} missing */
function whatToInstall(missing) {
  const what = `This system lacks ${missing.map((server) => names[server]).join(', ')}.`
  const urls = missing.map((server) => `LOCKSTEP_${server.toUpperCase()}_URL`).join(', ')
  const packages = missing.map((server) => debianPackages[server])
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : ''
  const nats = missing.includes('nats')
    ? ' (nats-server: a binary from the releases of nats-io/nats-server, named by LOCKSTEP_NATS_SERVER)'
    : ''
  const others = packages.filter((name) => name !== 'nats-server')
  const how = onPath('apt-get')
    ? `apt-get install ${packages.join(' ')}`
    : process.platform === 'darwin'
      ? `brew install ${packages.join(' ').replace('redis-server', 'redis')}`
      : /fedora|rhel/.test(release)
        ? `dnf install ${others.join(' ').replace('postgresql', 'postgresql-server').replace('redis-server', 'redis')}${nats}`
        : /alpine/.test(release)
          ? `apk add ${packages.join(' ').replace('redis-server', 'redis')}`
          : `${others.join(' and ')} with this system's package manager${nats}`
  return `${what} Install: ${how}. Or point to running servers with ${urls}.`
}

/**
 * Says which shared libraries a fetched server still lacks, while there is still a person who reads it.
 * @param {Located} located
 * @param {Server[]} servers
 */
async function checkLibraries(located, servers) {
  const programs = {
    postgres: join(located.postgresBin, 'postgres'),
    nats: located.natsServer,
    redis: located.redisServer,
  }
  for (const server of servers) {
    // ldd fails on a program that is linked statically, which lacks nothing.
    const listing = await run('ldd', [programs[server]], {
      env: { ...process.env, ...located.env },
    }).catch(() => '')
    const lacking = [...listing.matchAll(/^\s*(\S+) => not found/gm)].map((match) => match[1])
    if (lacking.length > 0)
      throw new Error(
        `${whatToInstall([server])}\nThe fetched program lacks ${lacking.join(', ')}.`,
      )
  }
}

function pathOfPostgres() {
  const program = onPath('postgres')
  return program ? dirname(realpathSync(program)) : ''
}

/** @param {string} folder e.g. /usr/lib/postgresql */
function newestPostgres(folder) {
  const versions = existsSync(folder)
    ? readdirSync(folder).filter((name) => /^\d+$/.test(name))
    : []
  return versions
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(folder, version, 'bin'))
}

/** @param {string} folder */
function hasPostgres(folder) {
  return folder !== '' && postgresPrograms.every((program) => existsSync(join(folder, program)))
}

/** @param {string} root @param {string} name */
function below(root, name) {
  return ['usr/bin', 'usr/sbin']
    .map((folder) => join(root, folder, name))
    .find((path) => existsSync(path))
}

/** @param {string} root */
function libraryFolders(root) {
  const folders = ['usr/lib', 'lib']
    .map((name) => join(root, name))
    .filter((folder) => existsSync(folder))
  return folders.flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => name.includes('-linux-'))
      .map((name) => join(folder, name)),
  )
}
