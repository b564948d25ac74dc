import type { FaultScenario } from '../scenario.ts'
import { clocks } from './clocks.ts'
import { followers } from './followers.ts'
import { freeze } from './freeze.ts'
import { killCampaigns } from './kill-campaigns.ts'
import { killOthers } from './kill-others.ts'
import { losses } from './losses.ts'
import { merges } from './merges.ts'
import { neighbour } from './neighbour.ts'
import { optOuts } from './opt-outs.ts'
import { orders } from './orders.ts'
import { outcomes } from './outcomes.ts'
import { reconnect } from './reconnect.ts'
import { rolling } from './rolling.ts'
import { slow } from './slow.ts'
import { statusStorm } from './status-storm.ts'
import { takeover } from './takeover.ts'
import { wide } from './wide.ts'

export const faultScenarios: readonly FaultScenario[] = [
  killCampaigns,
  takeover,
  killOthers,
  freeze,
  rolling,
  losses,
  orders,
  optOuts,
  reconnect,
  merges,
  statusStorm,
  followers,
  outcomes,
  clocks,
  slow,
  neighbour,
  wide,
]
