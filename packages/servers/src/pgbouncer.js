import { chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fetchFromNewerRelease } from './packages.js'
import { greets, unprivileged } from './postgres.js'
import { freePort, launch } from './process.js'

/** What PgBouncer's process loads, its C library among it: the release that it comes from may be newer than this system. */
const needed =
  /^(pgbouncer|libc6|zlib1g|lib(audit|cap|cares|crypt|event|gcc-s|gcrypt|gpg-error|lz4|lzma|pam0|ssl|systemd|zstd).*)$/

/**
 * Starts a PgBouncer in transaction mode before the PostgreSQL server of a URL, fetched below `<root>/.lockstep` the first time: one
 * of 1.21 or newer, which keeps track of named statements. Its clients are `users`, by the names and passwords of the server's roles.
 * @type {typeof import('./servers.js').startPgbouncer}
 */
export async function startPgbouncer({
  root,
  dir,
  server,
  users,
  connections = 2,
  statements = 200,
}) {
  const folder = await fetchFromNewerRelease(join(root, '.lockstep'), 'pgbouncer', needed)
  const owner = process.getuid?.() === 0 ? unprivileged() : undefined
  mkdirSync(dir, { recursive: true })
  const port = await freePort()
  const { hostname, port: serverPort } = new URL(server)
  const files = {
    'pgbouncer.ini': settings({ dir, port, hostname, serverPort, connections, statements }),
    'users.txt': passwords(users),
  }
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(dir, name), text, { mode: 0o600 })
    if (owner) chownSync(join(dir, name), owner.uid, owner.gid)
  }
  const loader = loaderIn(folder)
  const running = await launch({
    name: 'PgBouncer',
    program: loader,
    args: [
      '--library-path',
      dirname(loader),
      join(folder, 'usr/sbin/pgbouncer'),
      join(dir, 'pgbouncer.ini'),
    ],
    privileges: owner ? owner.setpriv : [],
    logFile: join(dir, 'pgbouncer.log'),
    stopSignal: 'SIGTERM',
    ready: () => greets(port, (answer) => /^[RE]/.test(answer), startUp),
  })
  const url = new URL(server)
  url.port = String(port)
  return { ...running, port, url: url.toString() }
}

/** A client's first message, as user and database `postgres`: whoever answers it speaks PostgreSQL's protocol. */
const startUp = (() => {
  const text = Buffer.from('user\0postgres\0database\0postgres\0\0')
  const head = Buffer.alloc(8)
  head.writeInt32BE(text.length + 8, 0)
  head.writeInt32BE(196_608, 4)
  return Buffer.concat([head, text])
})()

/** @param {{ dir: string, port: number, hostname: string, serverPort: string, connections: number, statements: number }} options */
function settings({ dir, port, hostname, serverPort, connections, statements }) {
  return `[databases]
* = host=${hostname} port=${serverPort}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${join(dir, 'users.txt')}
pool_mode = transaction
default_pool_size = ${connections}
max_prepared_statements = ${statements}
max_client_conn = 200
`
}

/** @param {Record<string, string>} users */
function passwords(users) {
  return Object.entries(users)
    .map(([name, password]) => `"${name}" "${password}"\n`)
    .join('')
}

/**
 * The program loader of unpacked packages; it lies beside their libraries.
 * @param {string} folder
 */
function loaderIn(folder) {
  const libraries = join(folder, 'usr/lib')
  for (const name of readdirSync(libraries).filter((name) => name.endsWith('-linux-gnu'))) {
    const loader = readdirSync(join(libraries, name)).find((file) =>
      /^ld-linux-.*\.so\.\d$/.test(file),
    )
    if (loader) return join(libraries, name, loader)
  }
  throw new Error(`${folder} has no program loader (ld-linux-*.so): delete it to fetch it anew`)
}
