;; says that it failed: the answer must be PluginFailed
;; world: health-plugin
(module
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "flotilla:interpreter/health@1.0.0#declare") (result i32) (i32.const 32))
  ;; at 128: err(failed(text at 200, 4 bytes))
  (data (i32.const 128) "\01\00\00\00\01\00\00\00\c8\00\00\00\04\00\00\00")
  (data (i32.const 200) "oops")
  (func (export "flotilla:interpreter/health@1.0.0#assess") (param i32 i32) (result i32)
    (i32.const 128)))
