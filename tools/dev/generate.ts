import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { differentFiles, generateAll, generatedFolders, generateInto } from './generated.ts'

const root = path.resolve(import.meta.dirname, '../..')

/** Compares the generated code with what the contracts would give now; answers what differs. */
async function check(): Promise<string[]> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lockstep-generate-'))
  try {
    await generateInto(root, folder)
    return generatedFolders.flatMap((each) =>
      differentFiles(path.join(root, each), path.join(folder, each)),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
if (values.check) {
  const different = await check()
  if (different.length > 0) {
    console.error(
      `Generated code is not what proto/ and services/ say; run \`npm run generate\`:\n${different.join('\n')}`,
    )
    process.exitCode = 1
  }
} else {
  await generateAll(root)
  console.log(`Wrote ${generatedFolders.join(' and ')}`)
}
