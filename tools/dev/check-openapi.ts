import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { git, mainCommit } from './git.ts'
import { openApiBreaks } from './openapi-breaks.ts'

const help = `npm run openapi

  Names what docs/openapi.json would break for clients of the document where this branch left main.

  --since COMMIT   compares with the document of another commit`

const root = path.resolve(import.meta.dirname, '../..')
const file = 'docs/openapi.json'

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { since: { type: 'string' }, help: { type: 'boolean', short: 'h', default: false } },
  })
  if (values.help) return console.log(help)
  const newest = await mainCommit(root)
  const commit = values.since ?? (newest && (await git(root, 'merge-base', 'HEAD', newest)))
  if (!commit) return console.log('Breaking changes: there is no main here to compare with')
  const before = await git(root, 'show', `${commit}:${file}`)
  if (before === undefined) throw new Error(`${commit} has no ${file}; name a commit that has one`)
  const after = readFileSync(path.join(root, file), 'utf8')
  const found = openApiBreaks(JSON.parse(before), JSON.parse(after))
  const title = `Breaking changes of the public API since ${commit.slice(0, 7)}`
  if (found.length === 0) return console.log(`${title}: nothing found`)
  console.error(`${title}:\n${found.join('\n')}`)
  process.exitCode = 1
}

await main().catch((error: Error) => {
  console.error(error.message)
  process.exitCode = 1
})
