import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { compareExports, type KnipReport, knownDeadExports } from './dead-exports.ts'

const root = path.resolve(import.meta.dirname, '../..')
const knip = [
  path.join(root, 'node_modules/knip/bin/knip.js'),
  '--reporter',
  'json',
  '--no-progress',
  '--no-config-hints',
  '--no-exit-code',
]

const { stdout } = await promisify(execFile)(process.execPath, knip, { cwd: root, maxBuffer: 16 * 1024 * 1024 })
const problems = compareExports(JSON.parse(stdout) as KnipReport, knownDeadExports)
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1
else console.log('Every file and every export is needed somewhere')
