import path from 'node:path'
import { longSubjects } from './commit-subjects.ts'

const problems = await longSubjects(path.resolve(import.meta.dirname, '../..'))
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exitCode = 1
