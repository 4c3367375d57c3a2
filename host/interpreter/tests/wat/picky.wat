;; accepts no settings, says so and traps: the answer must be ok
;; world: health-plugin
(module
  (import "flotilla:interpreter/host@1.0.0" "settings" (func $settings (param i32)))
  (import "flotilla:interpreter/host@1.0.0" "log" (func $log (param i32 i32 i32)))
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (data (i32.const 200) "no settings, please")
  (func (export "flotilla:interpreter/health@1.0.0#declare") (result i32)
    (call $settings (i32.const 256))
    (if (i32.ne (i32.load (i32.const 260)) (i32.const 2))
      (then (call $log (i32.const 4) (i32.const 200) (i32.const 19)) (unreachable)))
    (i32.const 32))
  (func (export "flotilla:interpreter/health@1.0.0#assess") (param i32 i32) (result i32) (i32.const 128)))
