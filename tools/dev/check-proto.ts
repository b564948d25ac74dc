import path from 'node:path'
import { parseArgs } from 'node:util'
import { runBuf } from './buf.ts'
import { git, mainCommit } from './git.ts'

const help = `npm run proto

  Lints proto/, and names what a service of main's last commit would no longer understand.

  --lint   only lints`

const root = path.resolve(import.meta.dirname, '../..')
const { values } = parseArgs({
  options: {
    lint: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

/** Runs one command of buf on proto/ and says what it found. */
async function check(what: string, args: string[]): Promise<void> {
  const { ok, said } = await runBuf(root, path.join(root, 'proto'), args)
  if (ok) return console.log(`${what}: nothing found`)
  console.error(`${what}:\n${said.trimEnd()}`)
  process.exitCode = 1
}

async function main(): Promise<void> {
  if (values.help) return console.log(help)
  await check('Lint', ['lint'])
  if (values.lint) return
  const commit = await mainCommit(root)
  // A worktree's .git is a file; buf needs the folder.
  const folder = await git(root, 'rev-parse', '--path-format=absolute', '--git-common-dir')
  if (!commit) return console.log('Breaking changes: there is no main here to compare with')
  const against = `${folder}#ref=${commit},subdir=proto`
  await check(`Breaking changes since ${commit.slice(0, 7)}`, ['breaking', '--against', against])
}

await main()
