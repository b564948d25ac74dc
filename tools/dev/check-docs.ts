import { readFileSync } from 'node:fs'
import path from 'node:path'
import { services } from '@lockstep/contracts'
import { checkDocuments } from './doc-paths.ts'
import { repositoryFiles } from './repository-files.ts'

const root = path.resolve(import.meta.dirname, '../..')
const isDocument =
  /^(README|ARCHITECTURE|CONTRIBUTING|SECURITY)\.md$|^(services|packages|tools)\/[^/]+\/README\.md$|^docs\/.*\.md$/

const files = repositoryFiles(root).filter((file) => isDocument.test(file))
const documents = files.map((file) => ({ file, text: readFileSync(path.join(root, file), 'utf8') }))
const broken = checkDocuments(root, documents, services)
for (const { file, line, problem } of broken) console.error(`${file}:${line}  ${problem}`)
if (broken.length > 0) process.exitCode = 1
else console.log(`${files.length} documents lead where they say`)
