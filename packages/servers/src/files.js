import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { startTime } from './process.js'

/**
 * Takes the lock file at `path` for this process. A lock whose holder died is taken over.
 * @param {string} path
 * @returns {{ release: () => void } | { heldBy: number }} the pid of the living holder, when there is one
 */
export function lockFile(path) {
  const mine = JSON.stringify({ pid: process.pid, startTime: startTime(process.pid) })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, mine)
  try {
    for (;;) {
      if (linked(draft, path)) return { release: () => rmSync(path, { force: true }) }
      const held = readText(path)
      const holder = parse(held)
      if (holder && startTime(holder.pid) === holder.startTime) return { heldBy: holder.pid }
      // Only one process can move a given file; one that moved a fresh lock by mistake puts it back.
      const stale = `${draft}.stale`
      try {
        renameSync(path, stale)
      } catch {
        continue
      }
      if (readText(stale) !== held) linked(stale, path)
      rmSync(stale, { force: true })
    }
  } finally {
    rmSync(draft, { force: true })
  }
}

/**
 * Takes the lock file at `path` as soon as its holder gives it free or dies; after `deadlineMs` it answers who holds it.
 * @param {string} path
 * @param {number} [deadlineMs]
 */
export async function waitForLock(path, deadlineMs = Number.POSITIVE_INFINITY) {
  for (const until = Date.now() + deadlineMs; ; await sleep(100)) {
    const lock = lockFile(path)
    if ('release' in lock || Date.now() > until) return lock
  }
}

/** @param {string} from @param {string} to */
function linked(from, to) {
  try {
    linkSync(from, to)
    return true
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') return false
    throw error
  }
}

/** @param {string} path */
function readText(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

/**
 * Reads a JSON file that may be missing or half written.
 * @param {string} path
 * @returns {any} undefined when there is nothing to read
 */
export function readJson(path) {
  return parse(readText(path))
}

/** @param {string} text @returns {any} */
function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/**
 * Replaces a JSON file in one step: whoever is killed, and whatever fails, leaves the old one or the new one.
 * @param {string} path
 * @param {unknown} value
 * @param {number} [mode]
 */
export function writeJson(path, value, mode = 0o644) {
  const draft = `${path}.new`
  rmSync(draft, { force: true })
  const file = openSync(draft, 'wx', mode)
  try {
    writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(draft, path)
}
