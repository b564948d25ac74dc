import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { waitForLock } from '../../packages/servers/src/files.js'
import { onPath, run } from '../../packages/servers/src/process.js'
import { progress } from './terminal.js'

/**
 * Installs the locked packages unless node_modules already holds them; silent unless it has to, or fails.
 * @param {string} root
 */
export async function installPackages(root) {
  if (isInstalled(root)) return
  const home = join(root, '.lockstep')
  mkdirSync(home, { recursive: true })
  const lock = await waitForLock(join(home, 'install.lock'))
  try {
    if (isInstalled(root)) return
    await progress('Installing packages', install(root, home))
    writeFileSync(marker(root), lockfileHash(root))
  } finally {
    if ('release' in lock) lock.release()
  }
}

/** @param {string} root @param {string} home */
async function install(root, home) {
  const npx = onPath('npx')
  if (!npx)
    throw new Error(
      'npx is missing; it comes with npm. Install npm (on Debian: apt-get install npm), then try again.',
    )
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const env = { ...process.env, ...writableCaches(home), CI: 'true' }
  await run(npx, ['--yes', packageManager, 'install', '--frozen-lockfile'], { cwd: root, env })
  if (!existsSync(nodePath(root)))
    throw new Error(
      `pnpm installed the packages but not Node 24 (${nodePath(root)}): allowBuilds in pnpm-workspace.yaml must allow node.`,
    )
}

/** @param {string} root */
function isInstalled(root) {
  return (
    existsSync(nodePath(root)) &&
    existsSync(marker(root)) &&
    readFileSync(marker(root), 'utf8') === lockfileHash(root)
  )
}

/** @param {string} root */
const marker = (root) => join(root, 'node_modules', '.lockstep-installed')

/** @param {string} root */
const lockfileHash = (root) =>
  createHash('sha256')
    .update(readFileSync(join(root, 'pnpm-lock.yaml')))
    .digest('hex')

/**
 * Where the pinned Node 24 is: the binary itself, never pnpm's shell script in .bin, which would outlive or hide a killed process.
 * @param {string} root
 */
export function nodePath(root) {
  return join(root, 'node_modules', 'node', 'bin', 'node')
}

/**
 * Moves what npm and pnpm keep in the home folder to `.lockstep/cache` when that folder cannot be written, as for system users; its .npmrc stays in force.
 * @param {string} home
 * @returns {Record<string, string>}
 */
function writableCaches(home) {
  if (['.npm', '.cache', '.local/share'].every((name) => isWritable(join(homedir(), name))))
    return {}
  const cache = join(home, 'cache')
  mkdirSync(cache, { recursive: true })
  const userconfig = process.env.npm_config_userconfig ?? join(homedir(), '.npmrc')
  return {
    HOME: cache,
    XDG_CACHE_HOME: join(cache, 'xdg'),
    XDG_DATA_HOME: join(cache, 'data'),
    XDG_STATE_HOME: join(cache, 'state'),
    XDG_CONFIG_HOME: join(cache, 'config'),
    npm_config_cache: join(cache, 'npm'),
    npm_config_store_dir: join(cache, 'pnpm'),
    npm_config_userconfig: userconfig,
  }
}

/** @param {string} path a folder that exists or could be made */
function isWritable(path) {
  let folder = path
  while (!existsSync(folder) && folder !== dirname(folder)) folder = dirname(folder)
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}
