import { readFileSync } from 'node:fs'
import path from 'node:path'
import { checkDependencies } from './dependency-rules.ts'
import { checkCycles } from './import-cycles.ts'
import { checkImports, unusedPaths } from './import-rules.ts'
import { repositoryFiles } from './repository-files.ts'
import { parseSource } from './source-imports.ts'
import { workspacesOf } from './workspaces.ts'

const root = path.resolve(import.meta.dirname, '../..')

const written = repositoryFiles(root).filter((file) => /\.(ts|js)$|(^|\/)package\.json$/.test(file))
// Generated code has no rules but needs packages.
const files = [...written, ...repositoryFiles(root, 'packages/rpc/gen')].map((file) => ({
  file,
  text: readFileSync(path.join(root, file), 'utf8'),
}))
const manifests = files.filter(({ file }) => file.endsWith('package.json'))
const sources = files.filter((file) => !manifests.includes(file)).map(parseSource)
const ruled = sources.filter(({ file }) => !file.startsWith('packages/rpc/gen/'))
const workspaces = workspacesOf(manifests)
const breaches = [
  ...checkImports(ruled, workspaces),
  ...unusedPaths(ruled),
  ...checkCycles(sources, workspaces),
  ...checkDependencies(manifests, sources),
]
for (const { file, line, rule } of breaches) console.error(`${file}:${line}  ${rule}`)
if (breaches.length > 0) process.exitCode = 1
else
  console.log(
    `${files.length} files import only what they may, and each package.json names what they import`,
  )
