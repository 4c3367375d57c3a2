;; is allowed to write everything and replaces the object by a number: the answer must be BadOutput
;; world: revision-plugin
(module
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  ;; at 32: a declaration that writes "", whose (pointer, length) at 16 is empty
  (data (i32.const 32) "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\10\00\00\00\01\00\00\00")
  (func (export "flotilla:interpreter/revision@1.0.0#declare") (result i32) (i32.const 32))
  ;; at 128: ok(one change at 144: set("", text at 224))
  (data (i32.const 128) "\00\00\00\00\90\00\00\00\01\00\00\00")
  (data (i32.const 144) "\00\00\00\00\00\00\00\00\00\00\00\00\e0\00\00\00\01\00\00\00")
  (data (i32.const 224) "7")
  (func (export "flotilla:interpreter/revision@1.0.0#revise") (param i32 i32 i64) (result i32) (i32.const 128)))
