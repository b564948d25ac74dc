import { readFileSync } from 'node:fs'
import path from 'node:path'
import { checkDependencies } from './dependency-rules.ts'
import { checkImports } from './import-rules.ts'
import { repositoryFiles } from './repository-files.ts'

const root = path.resolve(import.meta.dirname, '../..')
const read = (file: string) => ({ file, text: readFileSync(path.join(root, file), 'utf8') })

const written = repositoryFiles(root).filter((file) => /\.(ts|js)$|(^|\/)package\.json$/.test(file))
// Generated code has no rules but needs packages.
const files = [...written, ...repositoryFiles(root, 'packages/rpc/gen')].map(read)
const ruled = files.filter(({ file }) => /^(packages\/(?!rpc\/gen\/)|services\/).*\.ts$/.test(file))
const breaches = [...checkImports(ruled), ...checkDependencies(files)]
for (const { file, line, rule } of breaches) console.error(`${file}:${line}  ${rule}`)
if (breaches.length > 0) process.exitCode = 1
else
  console.log(
    `${files.length} files import only what they may, and each package.json names what they import`,
  )
