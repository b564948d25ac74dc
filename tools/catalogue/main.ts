import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { routes } from '../../services/api/src/http/index.ts'
import { describeApi } from '../../services/api/src/openapi.ts'
import { writeApiPage } from './src/api-page.ts'
import { writeCatalogue } from './src/catalogue.ts'
import { writeClientCode } from './src/client-code.ts'
import { differences } from './src/differences.ts'
import { readSources } from './src/sources.ts'

const root = path.resolve(import.meta.dirname, '../..')
const document = describeApi(routes)
/** What is written, as paths below the root. */
const texts = {
  'docs/catalogue.md': () => writeCatalogue(readSources(root)),
  'docs/api.md': () => writeApiPage(routes),
  'docs/openapi.json': () => `${JSON.stringify(document, null, 2)}\n`,
  'packages/client/gen/operations.ts': () => writeClientCode(document),
}

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
for (const [name, write] of Object.entries(texts)) {
  const file = path.join(root, name)
  const text = write()
  if (!values.check) {
    writeFileSync(file, text)
    console.log(`Wrote ${name}`)
    continue
  }
  const found = differences(existsSync(file) ? readFileSync(file, 'utf8') : '', text)
  if (found.length === 0) continue
  console.error(`${name} is out of date; run \`npm run catalogue\`:\n${found.join('\n')}`)
  process.exitCode = 1
}
