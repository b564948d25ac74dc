import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { differentFiles, generate, generateInto } from './generated.ts'

const root = path.resolve(import.meta.dirname, '../..')

/** Compares the generated code with what the contracts would give now; answers what differs. */
async function check(): Promise<string[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-generate-'))
  try {
    return differentFiles(path.join(root, 'packages', 'rpc', 'gen'), await generateInto(root, folder))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
if (values.check) {
  const different = await check()
  if (different.length > 0) {
    console.error(`packages/rpc/gen is not what proto/ says; run \`npm run generate\`:\n${different.join('\n')}`)
    process.exitCode = 1
  }
} else {
  await generate(root)
  console.log('Wrote packages/rpc/gen')
}
