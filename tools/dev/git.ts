import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** What git prints; undefined where there is no git, no history, or git refuses. */
export async function git(root: string, ...args: string[]): Promise<string | undefined> {
  const ran = await promisify(execFile)('git', args, {
    cwd: root,
    maxBuffer: 16 * 1024 * 1024,
  }).catch(() => undefined)
  return ran?.stdout.trim()
}

/** The newest commit of main that this machine knows of; undefined where there is none. */
export async function mainCommit(root: string): Promise<string | undefined> {
  for (const ref of ['refs/remotes/origin/main', 'refs/heads/main']) {
    const commit = await git(root, 'rev-parse', '--verify', '--quiet', `${ref}^{commit}`)
    if (commit) return commit
  }
  return undefined
}
