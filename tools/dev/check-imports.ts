import { readFileSync } from 'node:fs'
import path from 'node:path'
import { checkImports } from './import-rules.ts'
import { repositoryFiles } from './repository-files.ts'

const root = path.resolve(import.meta.dirname, '../..')

const files = repositoryFiles(root).filter((file) => /^(packages|services)\/.*\.ts$/.test(file))
const breaches = checkImports(files.map((file) => ({ file, text: readFileSync(path.join(root, file), 'utf8') })))
for (const { file, line, rule } of breaches) console.error(`${file}:${line}  ${rule}`)
if (breaches.length > 0) process.exitCode = 1
else console.log(`${files.length} files import only what they may`)
