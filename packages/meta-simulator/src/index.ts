export { type AcceptedPost, createSimulatorClient, type SimulatorClient } from './client.ts'
export { demoState, demoTemplates } from './demo.ts'
export {
  type DeliveryLine,
  type ElementRef,
  elementRef,
  type LogLine,
  logLine,
  type PostLine,
  readLog,
} from './log.ts'
export { type FaultKind, faultKinds, type Settings, type SettingsPatch } from './settings.ts'
export { type Simulator, type SimulatorConfig, startSimulator } from './simulator.ts'
export type { State, StateInput } from './state.ts'
export type { Summary } from './summary.ts'
export type { Template, TemplateInput } from './templates.ts'
export { encodeBody, signBody } from './webhook-body.ts'
