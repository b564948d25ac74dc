import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { writeCatalogue } from './src/catalogue.ts'
import { differences } from './src/differences.ts'
import { readSources } from './src/sources.ts'

const root = path.resolve(import.meta.dirname, '../..')
const file = path.join(root, 'docs', 'catalogue.md')

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const text = writeCatalogue(readSources(root))
if (values.check) {
  const found = differences(existsSync(file) ? readFileSync(file, 'utf8') : '', text)
  if (found.length > 0) {
    console.error(
      `docs/catalogue.md is out of date; run \`npm run catalogue\`:\n${found.join('\n')}`,
    )
    process.exitCode = 1
  }
} else {
  writeFileSync(file, text)
  console.log('Wrote docs/catalogue.md')
}
