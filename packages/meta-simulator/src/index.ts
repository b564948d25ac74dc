export { createSimulatorClient, type SimulatorClient } from './client.ts'
export { demoState, demoTemplates } from './demo.ts'
export {
  type LogLine,
  type PostLine,
  readLog,
} from './log.ts'
export type { FaultKind, SettingsPatch } from './settings.ts'
export { type Simulator, startSimulator } from './simulator.ts'
export type { StateInput } from './state.ts'
export type { TemplateInput } from './templates.ts'
