import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'

/** A source file of the system: its path from the root, with slashes, and its text. */
export interface Source {
  file: string
  text: string
}

/** Every TypeScript file under `src` of a package or service but the tables themselves, in the order of their paths. */
export function readSources(root: string): Source[] {
  const folders = ['packages', 'services'].flatMap((kind) =>
    readdirSync(path.join(root, kind)).map((name) => path.join(kind, name, 'src')),
  )
  const own = folders.filter((folder) => folder !== path.join('packages', 'contracts', 'src'))
  return own
    .flatMap((folder) => filesUnder(root, folder))
    .toSorted()
    .map((file) => ({
      file: file.split(path.sep).join('/'),
      text: readFileSync(path.join(root, file), 'utf8'),
    }))
}

function filesUnder(root: string, folder: string): string[] {
  const entries = readdirSync(path.join(root, folder), { withFileTypes: true, recursive: true })
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
}
