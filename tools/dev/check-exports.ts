import path from 'node:path'
import { compareExports, findDeadExports, knownDeadExports } from './dead-exports.ts'

const root = path.resolve(import.meta.dirname, '../..')
const problems = compareExports(await findDeadExports(root, root), knownDeadExports)
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1
else console.log('Every file and every export is needed somewhere')
