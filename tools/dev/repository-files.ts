import { readdirSync } from 'node:fs'
import path from 'node:path'

const notOurs = new Set(['node_modules', '.lockstep', '.git', 'gen', 'coverage'])

/** Files of the repository that are written by hand, as sorted paths from the root, with slashes. */
export function repositoryFiles(root: string, folder = ''): string[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true })
    .flatMap((entry) => {
      const file = path.posix.join(folder, entry.name)
      if (entry.isDirectory()) return notOurs.has(entry.name) ? [] : repositoryFiles(root, file)
      return entry.isFile() ? [file] : []
    })
    .sort()
}
